/**
 * What the programs must do, as data: one table for every kernel. The driver
 * plays the steps on real sockets, the test compares what it saw with `expect`.
 */
import type { Reason } from '../../../bpf/abi/heddle.gen.ts'
import type { ShadowCounts } from '../../../agent/ports.ts'
import type { CallLine } from './outbound-cases.ts'

/**
 * Bytes to send; wait for so many replies in all; wait until the kernel is in mid-message;
 * another policy becomes active; enforcement ends.
 */
export type Step =
  | string
  | { replies: number }
  | { begun: true }
  | { flip: 'public' | 'other' }
  | { shadow: 'other' }
  | { dispatcher: 'next' | 'dispatcher' }
  | { detach: true }

export type Expectation = {
  /** Status of each reply, with the echo of its request where the server gave one. */
  replies: string[]
  /** `METHOD target BODYBYTES` as the server took it; without the number where the body never ended. */
  served: string[]
  /** Verdicts that the kernel counted. */
  counted: Partial<Record<keyof typeof Reason, number>>
  /** What a candidate found that was asked from some step on. */
  shadow?: ShadowCounts
}

export type Case = { name: string; steps: Step[]; expect: Expectation }

const HOST = 'Host: x\r\n'
const get = (target: string) => `GET ${target} HTTP/1.1\r\n${HOST}\r\n`
const CHUNKED = `POST /public/c HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n`
const bytewise = (text: string) => [...text]

const served = (...targets: string[]): Expectation => ({
  replies: targets.map((target) => `200 GET ${target}`),
  served: targets.map((target) => `GET ${target} 0`),
  counted: { ALLOWED: targets.length },
})
const refused = (status: number, reason: keyof typeof Reason): Expectation => ({
  replies: status === 0 ? [] : [`${status}`],
  served: [],
  counted: { [reason]: 1 },
})

/** Bytes that come before accept() are judged later, all at once: with one exchange done, as they come. */
const ACCEPTED: Step[] = [get('/public/1'), { replies: 1 }]

const MALFORMED: [string, string, number, keyof typeof Reason][] = [
  ['a bare LF', `GET /public HTTP/1.1\n${HOST}\r\n`, 400, 'BAD_LINE_END'],
  ['a blank before the colon', 'GET /public HTTP/1.1\r\nHost : x\r\n\r\n', 400, 'BAD_FIELD_NAME'],
  ['no Host', 'GET /public HTTP/1.1\r\n\r\n', 400, 'BAD_HOST'],
  ['a folded line', `GET /public HTTP/1.1\r\n${HOST}A: b\r\n c\r\n\r\n`, 400, 'OBS_FOLD'],
  ['NUL in a value', `GET /public HTTP/1.1\r\n${HOST}A: \0\r\n\r\n`, 400, 'BAD_FIELD_VALUE'],
  ['absolute form', `GET http://x/public HTTP/1.1\r\n${HOST}\r\n`, 400, 'BAD_TARGET'],
  [
    'Content-Length twice',
    `GET /public HTTP/1.1\r\n${HOST}Content-Length: 1\r\nContent-Length: 1\r\n\r\na`,
    400,
    'LENGTH_TWICE',
  ],
  [
    'Content-Length with chunks',
    `GET /public HTTP/1.1\r\n${HOST}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n`,
    400,
    'LENGTH_AND_CHUNKED',
  ],
  ['a bad chunk size', `${CHUNKED}5\r\nhello\r\n3 ;a=b\r\nabc\r\n0\r\n\r\n`, 400, 'BAD_CHUNK'],
  [
    'a head above the limit',
    `GET /public HTTP/1.1\r\n${HOST}A: ${'a'.repeat(17000)}\r\n\r\n`,
    431,
    'HEAD_TOO_LARGE',
  ],
  ['HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400, 'HTTP2'],
  ['TLS', '\x16\x03\x01\x00\xa5\x01', 0, 'TLS'],
  ['a binary protocol', '\0\0\0\x08\x04\xd2\x16\x2f', 400, 'OTHER_PROTOCOL'],
  ['a line of one word', 'SSH-2.0-OpenSSH_9.2p1\r\n', 400, 'OTHER_PROTOCOL'],
]

export const CASES: Case[] = [
  { name: 'an allowed request passes', steps: [get('/public/1')], expect: served('/public/1') },
  {
    name: 'an allowed request passes, byte by byte',
    steps: bytewise(get('/public/1')),
    expect: served('/public/1'),
  },
  { name: 'another path gets 403', steps: [get('/secret')], expect: refused(403, 'DENIED') },
  {
    name: 'another path gets 403, byte by byte',
    steps: bytewise(get('/secret')),
    expect: refused(403, 'DENIED'),
  },
  {
    name: 'another method gets 403',
    steps: [`PUT /public/1 HTTP/1.1\r\n${HOST}\r\n`],
    expect: refused(403, 'DENIED'),
  },
  {
    name: 'pipelined requests are answered in order',
    steps: [get('/public/1') + get('/public/2') + get('/public/3')],
    expect: served('/public/1', '/public/2', '/public/3'),
  },
  {
    name: 'a refusal waits for the replies before it, and nothing follows it',
    steps: [get('/public/1') + get('/public/2') + get('/secret') + get('/public/3')],
    expect: {
      replies: ['200 GET /public/1', '200 GET /public/2', '403'],
      served: ['GET /public/1 0', 'GET /public/2 0'],
      counted: { ALLOWED: 2, DENIED: 1 },
    },
  },
  {
    name: 'a refusal on a connection that was kept open, in two pieces',
    steps: [...ACCEPTED, get('/secret').slice(0, 9), get('/secret').slice(9)],
    expect: {
      replies: ['200 GET /public/1', '403'],
      served: ['GET /public/1 0'],
      counted: { ALLOWED: 1, DENIED: 1 },
    },
  },
  {
    name: 'nothing passes after a refusal',
    steps: [get('/secret'), { replies: 1 }, get('/public/1')],
    expect: refused(403, 'DENIED'),
  },
  {
    name: 'a body by length, cut, then the next request',
    steps: [`POST /public/p HTTP/1.1\r\n${HOST}Content-Length: 5\r\n\r\nhel`, `lo${get('/public/4')}`],
    expect: {
      replies: ['200 POST /public/p', '200 GET /public/4'],
      served: ['POST /public/p 5', 'GET /public/4 0'],
      counted: { ALLOWED: 2 },
    },
  },
  {
    name: 'chunks with extension and trailer, then the next request',
    steps: [`${CHUNKED}5\r\nhello\r\n3;a=b\r\nabc\r\n0\r\nX: y\r\n\r\n${get('/public/4')}`],
    expect: {
      replies: ['200 POST /public/c', '200 GET /public/4'],
      served: ['POST /public/c 8', 'GET /public/4 0'],
      counted: { ALLOWED: 2 },
    },
  },
  {
    name: 'a bad chunk after its head has passed takes the place of the reply',
    steps: [...ACCEPTED, `${CHUNKED}5\r\nhello\r\n`, { begun: true }, '3 ;a=b\r\nabc\r\n0\r\n\r\n'],
    expect: {
      replies: ['200 GET /public/1', '400'],
      served: ['GET /public/1 0', 'POST /public/c'],
      counted: { ALLOWED: 2, BAD_CHUNK: 1 },
    },
  },
  ...MALFORMED.map(([name, bytes, status, reason]) => {
    const expect = refused(status, reason)
    // A chunked head is judged before its chunks are read.
    if (reason === 'BAD_CHUNK') expect.counted = { ALLOWED: 1, BAD_CHUNK: 1 }
    return { name: `${name} gets ${status || 'no answer'}`, steps: [bytes], expect }
  }),
  {
    name: 'a candidate looks on, and the client is answered by the active generation',
    steps: [...ACCEPTED, { shadow: 'other' }, get('/public/2'), { replies: 2 }, ...bytewise(get('/other/1'))],
    expect: {
      replies: ['200 GET /public/1', '200 GET /public/2', '403'],
      served: ['GET /public/1 0', 'GET /public/2 0'],
      counted: { ALLOWED: 2, DENIED: 1 },
      shadow: { agree: 0, newDenies: 1, newAllows: 1, other: 0, unseen: 0 },
    },
  },
  {
    name: 'a flip is met by the next request of a connection',
    steps: [...ACCEPTED, { flip: 'other' }, get('/other/1'), { replies: 2 }, get('/public/2')],
    expect: {
      replies: ['200 GET /public/1', '200 GET /other/1', '403'],
      served: ['GET /public/1 0', 'GET /other/1 0'],
      counted: { ALLOWED: 2, DENIED: 1 },
    },
  },
  {
    name: 'a request that has begun ends under its generation',
    steps: [
      ...ACCEPTED,
      `POST /public/p HTTP/1.1\r\n${HOST}Content-Le`,
      { begun: true },
      { flip: 'other' },
      `ngth: 5\r\n\r\nhel`,
      { flip: 'public' },
      { flip: 'other' },
      `lo${get('/public/4')}`,
    ],
    expect: {
      replies: ['200 GET /public/1', '200 POST /public/p', '403'],
      served: ['GET /public/1 0', 'POST /public/p 5'],
      counted: { ALLOWED: 2, DENIED: 1 },
    },
  },
  ...(['next', 'dispatcher'] as const).map((dispatcher) => ({
    // The second connection is born under the one that took over in the first.
    name: `a connection lives on when dispatcher ${dispatcher} takes over, and is judged`,
    steps: [...ACCEPTED, { dispatcher }, get('/public/2'), { replies: 2 }, get('/secret')],
    expect: {
      replies: ['200 GET /public/1', '200 GET /public/2', '403'],
      served: ['GET /public/1 0', 'GET /public/2 0'],
      counted: { ALLOWED: 2, DENIED: 1 },
    },
  })),
]

/** Played once, at the end: the connection was enrolled before. */
export const DETACH: Case = {
  name: 'after a detach every path passes, on open connections too',
  steps: [...ACCEPTED, { detach: true }, get('/secret')],
  expect: {
    replies: ['200 GET /public/1', '200 GET /secret'],
    served: ['GET /public/1 0', 'GET /secret 0'],
    counted: {},
  },
}

/** IPv4, IPv6, and IPv4 on a listener of both. */
export const FAMILIES = ['IPv4', 'IPv6', 'IPv4 on a dual-stack listener'] as const
export type Family = (typeof FAMILIES)[number]

/** One line of the driver. */
export type Line =
  | { kind: 'kernel'; release: string; missing: string[] }
  | { kind: 'case'; name: string; family: Family; saw: Expectation }
  | { kind: 'syn'; name: string; family: Family; connected: boolean; counted: Expectation['counted'] }
  | { kind: 'attached'; hooks: string[]; active: { slot: number; generation: number } | null }
  | { kind: 'detached'; installed: boolean }
  | CallLine
  | { kind: 'failed'; message: string }
  | { kind: 'done' }

export const MARK = '@heddle '
