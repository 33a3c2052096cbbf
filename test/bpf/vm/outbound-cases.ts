/** What the client side must do, as data: a workload calls services, at the address of each family. */

/**
 * Bytes to send; wait for so many replies in all; wait for the other side's end; stop reading, or go on;
 * until the relay has idle upstreams to all servers; until it has offered the connection to the kernel; this
 * connection leads past the relay;
 * until the kernel leaves the rest of a message to it; a server closes all its connections; other
 * routes become active.
 */
export type CallStep =
  | string
  | { replies: number }
  | { ended: true }
  | { reads: boolean }
  | { warm: true }
  | { offered: true }
  | { direct: true }
  | { rest: true }
  | { drop: 'a' | 'b' }
  | { flip: 'front' | 'swapped' }

export type Called = {
  /** What getpeername() says; or why connect() failed. */
  peer: string
  /** Status and body of each reply, `end` where the case waits for it. */
  replies: string[]
  /** Requests that the kernel took, and those that it left to the relay; null = told by no case. */
  kernel: number | null
  relay: number | null
}

export type CallCase = { name: string; steps: CallStep[]; expect: Omit<Called, 'peer'> }

/** Where front is called, and what its client is shown. */
export const CALLS = {
  IPv4: { host: '10.96.0.1', peer: '10.96.0.1 80' },
  IPv6: { host: 'fd96::1', peer: 'fd96::1 80' },
  'IPv4 by an IPv6 socket': { host: '::ffff:10.96.0.1', peer: '::ffff:10.96.0.1 80' },
} as const
export type CallFamily = keyof typeof CALLS
export const CALL_FAMILIES = Object.keys(CALLS) as CallFamily[]

const HOST = 'Host: front\r\n'
const get = (target: string, fields = '') => `GET ${target} HTTP/1.1\r\n${HOST}${fields}\r\n`
const post = (target: string, fields: string) => `POST ${target} HTTP/1.1\r\n${HOST}${fields}\r\n`
const inPieces = (text: string, bytes: number) => text.match(new RegExp(`[^]{1,${bytes}}`, 'g')) ?? []
const answer = (target: string) => `200 ${target[1]} GET ${target} 0`
/** Beyond what the kernel hands to a reader that has stopped, and what sockets hold besides. */
const BIG = 2_000_000

/** All of it by the kernel, from the first request on. */
const byKernel = (requests: number, ...replies: string[]): CallCase['expect'] => ({
  replies,
  kernel: requests,
  relay: 0,
})
/** Whoever takes it: how many bytes a segment has, and what ends first, is TCP's affair. */
const byEither = (...replies: string[]): CallCase['expect'] => ({ replies, kernel: null, relay: null })

const PIPELINED = Array.from({ length: 12 }, (_, i) => `/${'ab'[i % 2]}/plain?n=${i}`)
/** More than the kernel reads of one head. */
const LONG = 'x'.repeat(12_000)
const BODY = 'x'.repeat(3000)
const CHUNKS = '5;e="q"\r\nhello\r\nA\r\n0123456789\r\n0\r\nX-T: 1\r\n\r\n'

export const CALL_CASES: CallCase[] = [
  {
    name: 'two services by path on one connection',
    steps: ['/a/1', '/b/2', '/b/3', '/a/4'].flatMap((target, i) => [get(target), { replies: i + 1 }]),
    expect: byKernel(4, ...['/a/1', '/b/2', '/b/3', '/a/4'].map(answer)),
  },
  {
    name: 'pipelined requests are answered in order',
    steps: [PIPELINED.map((target) => get(target)).join('')],
    expect: byEither(...PIPELINED.map(answer)),
  },
  {
    name: 'a head in pieces',
    steps: [...inPieces(get('/b/1', 'X-Long: 0123456789\r\n'), 5), { replies: 1 }, get('/a/2')],
    expect: byKernel(2, answer('/b/1'), answer('/a/2')),
  },
  {
    name: 'a body by length in pieces, then the next request',
    steps: [...inPieces(post('/a/p', 'Content-Length: 3000\r\n') + BODY, 700), { replies: 1 }, get('/b/2')],
    expect: byKernel(2, '200 a POST /a/p 3000', answer('/b/2')),
  },
  {
    name: 'chunks with extension and trailer, in pieces, then the next request',
    steps: [
      ...inPieces(post('/a/c', 'Transfer-Encoding: chunked\r\n') + CHUNKS, 60),
      { replies: 1 },
      get('/b/2'),
    ],
    expect: byKernel(2, '200 a POST /a/c 15', answer('/b/2')),
  },
  {
    name: 'HEAD, 204, 304, an interim and a chunked response end where they end',
    steps: [
      `HEAD /a/head HTTP/1.1\r\n${HOST}\r\n`,
      ...['/b/204', '/a/304', '/b/interim', '/a/chunked', '/b/pieces', '/a/1'].flatMap((target, i) => [
        // An interim response is one more.
        { replies: i + 1 + Number(i > 3) },
        get(target),
      ]),
    ],
    expect: byKernel(
      7,
      ...['200', '204', '304', '103', answer('/b/interim')],
      ...[answer('/a/chunked'), answer('/b/pieces'), answer('/a/1')],
    ),
  },
  {
    name: 'a service on another node and one on this, on one connection',
    steps: ['/c/1', '/a/2', '/c/3', '/c/4'].flatMap((target, i) => [get(target), { replies: i + 1 }]),
    expect: byKernel(4, '200 GET /c/1', answer('/a/2'), '200 GET /c/3', '200 GET /c/4'),
  },
  {
    name: 'a body to another node, in pieces',
    steps: [get('/c/1'), { replies: 1 }, ...inPieces(post('/c/p', 'Content-Length: 3000\r\n') + BODY, 700)],
    expect: byKernel(2, '200 GET /c/1', '200 POST /c/p'),
  },
  {
    name: 'what a client that does not read has not taken comes through the relay, all of it',
    steps: [
      { reads: false },
      get(`/a/big-${BIG}`),
      { rest: true },
      { reads: true },
      { replies: 1 },
      get('/b/2'),
    ],
    expect: byEither(`200 ${BIG} bytes`, answer('/b/2')),
  },
  {
    name: 'the connection ends with a server that closes, after all that it said',
    steps: [get('/a/close'), { ended: true }],
    expect: byEither(answer('/a/close'), 'end'),
  },
  {
    name: 'requests after its upstream has gone are answered by another',
    steps: [
      ...[get('/a/1'), { replies: 1 }, { drop: 'a' }, get('/a/2')],
      ...[{ replies: 2 }, { drop: 'b' }, get('/b/3')],
    ] as CallStep[],
    expect: byEither(...['/a/1', '/a/2', '/b/3'].map(answer)),
  },
  {
    name: 'a server that dies before it answers makes a 503',
    steps: [get('/a/die')],
    expect: byEither('503'),
  },
  {
    name: 'what inbound rules refuse gets 403, and what no route takes 404, from the kernel',
    steps: ['/a/1', '/a/secret', '/nowhere', '/b/2'].flatMap((target, i) => [
      get(target),
      { replies: i + 1 },
    ]),
    expect: byKernel(4, answer('/a/1'), '403', '404', answer('/b/2')),
  },
  {
    name: "a head beyond the window is the relay's; then the kernel goes on",
    steps: [
      ...[get('/a/1'), { replies: 1 }, get('/b/2', `X-Long: ${LONG}\r\n`)],
      ...[{ replies: 2 }, { offered: true }, get('/a/3')],
    ] as CallStep[],
    expect: { replies: [answer('/a/1'), answer('/b/2'), answer('/a/3')], kernel: 2, relay: 1 },
  },
  {
    name: 'other routes are met by the next request, and not by the one under way',
    steps: [
      ...[get('/a/1'), { replies: 1 }, post('/a/p', 'Content-Length: 6\r\n'), 'abc'],
      ...[{ flip: 'swapped' }, 'def', { replies: 2 }, get('/a/2')],
    ] as CallStep[],
    expect: byEither(answer('/a/1'), '200 a POST /a/p 6', '200 b GET /a/2 0'),
  },
]

/** Service c by an address of its own, without routes: its one endpoint is another node's. */
export const PAST_RELAY: CallCase = {
  name: 'past the relay: requests, a body in pieces, what ends where it ends',
  steps: [
    ...[{ direct: true }, get('/c/1'), { replies: 1 }],
    ...inPieces(post('/c/p', 'Content-Length: 3000\r\n') + BODY, 700),
    ...[{ replies: 2 }, get('/c/2'), { replies: 3 }],
  ] as CallStep[],
  expect: {
    replies: ['200 GET /c/1', '200 POST /c/p', '200 GET /c/2'],
    kernel: 3,
    relay: 0,
  },
}
export const PAST = { IPv4: '10.96.0.2', 'IPv4 by an IPv6 socket': '::ffff:10.96.0.2' } as const
export type PastFamily = keyof typeof PAST
export const PAST_FAMILIES = Object.keys(PAST) as PastFamily[]

/** Before a relay is there, and when it was killed. */
export const NO_RELAY: CallCase[] = ['no relay yet', 'the relay was killed'].map((when) => ({
  name: `connect() is refused: ${when}`,
  steps: [],
  expect: { replies: [], kernel: null, relay: null },
}))
/** Sockets that call nobody's service are left alone. */
export const REFUSED = 'ECONNREFUSED'

/** One line of the driver. */
export type CallLine = { kind: 'call'; name: string; family: CallFamily; saw: Called }
