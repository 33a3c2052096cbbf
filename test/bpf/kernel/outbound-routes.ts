/** Routes that change heads or answer themselves, by the prefix that leads to them, and what their heads must become. */
import assert from 'node:assert/strict'
import type { Policy } from '../../../pipelines/policy/model.ts'
import { requestChange, responseChange } from '../../../pipelines/policy/route-change.ts'
import { applyEdits, requestEdits, responseEdits } from '../../../pipelines/policy/route-edits.ts'
import type { Filter, Route, RouteMatch } from '../../../pipelines/policy/route.ts'
import { type Connection, responses } from './outbound-connection.ts'
import type { OutboundFixture } from './outbound-fixture.ts'

const source = { file: 'edits.yaml', line: 1, column: 1 }
const to = (name: string) => ({
  service: { namespace: 'shop', name, port: 80 },
  weight: 1,
  filters: [],
})

const headers = (
  kind: 'request-headers' | 'response-headers',
  { set = {}, add = {}, remove = [] }: { set?: object; add?: object; remove?: string[] },
): Filter => {
  const fields = (of: object) => Object.entries(of).map(([name, value]) => ({ name, value }))
  return { kind, set: fields(set), add: fields(add), remove }
}

/** By the prefix that leads to them. */
export const REQUESTS: Record<string, Filter[]> = {
  '/prefix': [{ kind: 'rewrite', path: { kind: 'prefix', value: '/a/new' } }],
  '/gone': [{ kind: 'rewrite', path: { kind: 'prefix', value: '/' } }],
  '/full': [{ kind: 'rewrite', path: { kind: 'full', value: '/b/of/its/own/head' } }],
  '/host': [{ kind: 'rewrite', host: 'another.example' }],
  '/lines': [
    headers('request-headers', {
      set: { 'X-Set': 'new' },
      add: { 'X-Add': 'more', 'x-twice': 'two' },
      remove: ['X-Drop', 'x-drop-too'],
    }),
  ],
  '/long': [
    { kind: 'rewrite', path: { kind: 'prefix', value: `/${'l'.repeat(700)}` } },
    headers('request-headers', { set: { 'X-Long': 'v'.repeat(900) } }),
  ],
  '/all': [
    { kind: 'rewrite', host: 'h', path: { kind: 'prefix', value: '/x' } },
    headers('request-headers', { set: { 'X-Set': '1' }, remove: ['x-drop'] }),
    headers('response-headers', { set: { 'X-Set': '1' }, remove: ['x-drop'] }),
  ],
}

export const RESPONSES: Record<string, Filter[]> = {
  '/drop': [headers('response-headers', { remove: ['x-drop', 'server'] })],
  '/add': [headers('response-headers', { add: { 'Set-Cookie': 'a=b', 'X-Add': 'more' } })],
  '/set': [headers('response-headers', { set: { Server: 'heddle', 'X-Long': 'v'.repeat(900) } })],
}

export const REDIRECTS: Record<string, Filter[]> = {
  '/moved': [{ kind: 'redirect', path: { kind: 'prefix', value: '/there' }, status: 301 }],
  '/port': [{ kind: 'redirect', port: 8080, status: 302 }],
  '/secure': [{ kind: 'redirect', scheme: 'https', host: 'other.example', status: 307 }],
  '/whole': [{ kind: 'redirect', host: 'other.example', path: { kind: 'full', value: '/x' }, status: 308 }],
  '/served': [
    { kind: 'redirect', status: 303 },
    headers('response-headers', { set: { Server: 'it' }, add: { 'X-Add': 'a' } }),
  ],
}

const rule = (prefix: string, filters: Filter[], name = 'a'): Route['rules'][number] => ({
  source,
  matches: [{ source, path: { kind: 'prefix', value: prefix }, headers: [], query: [] }],
  filters,
  backends: [to(name)],
  requestTimeout: 0,
  backendTimeout: 0,
})
const rules = (of: Record<string, Filter[]>) =>
  Object.entries(of).map(([prefix, filters]) => rule(prefix, filters))

export const ROUTE: Route = {
  name: 'front',
  namespace: 'shop',
  source,
  created: '',
  service: { namespace: 'shop', name: 'front', port: 80 },
  clients: null,
  rules: [
    rule('/a', []),
    rule('/b', [], 'b'),
    rule('/empty', [], 'empty'),
    rule('/~secret', []),
    rule('/to-secret', [{ kind: 'rewrite', path: { kind: 'prefix', value: '/~secret' } }]),
    rule('/~from', [{ kind: 'rewrite', path: { kind: 'prefix', value: '/a' } }]),
    { ...rule('/lost', []), backends: [{ ...to('a'), service: null }] },
    ...rules(REQUESTS),
    ...rules(RESPONSES),
    ...rules(REDIRECTS),
  ],
}

/** Inbound rules of every workload: all but /~…. */
export const POLICY: Policy = {
  name: 'not-secret',
  namespace: 'shop',
  source,
  subject: { namespaces: ['shop'], requirements: [] },
  unparsed: 'refuse',
  selects: true,
  allow: [
    {
      source,
      peers: null,
      ports: null,
      http: ['/[^~].*', '/'].map((path) => ({ source, path, headers: [] })),
    },
  ],
  deny: [],
}

const bytes = (text: string) => Uint8Array.from(Buffer.from(text, 'latin1'))
const text = (of: Uint8Array) => Buffer.from(of).toString('latin1')
const matchOf = (prefix: string): RouteMatch => ({
  source,
  path: { kind: 'prefix', value: prefix },
  headers: [],
  query: [],
})
/** A head as its server must read it. */
export const edited = (prefix: string, head: string) =>
  text(
    applyEdits(
      bytes(head),
      requestEdits(bytes(head), requestChange(REQUESTS[prefix] as Filter[], matchOf(prefix))),
    ),
  )
export const editedResponse = (prefix: string, response: string) =>
  text(
    applyEdits(
      bytes(response),
      responseEdits(bytes(response), responseChange(RESPONSES[prefix] as Filter[])),
    ),
  )

const FIELDS =
  'X-Drop: 1\r\nx-set:  old \r\nX-DROP-TOO:2\r\nX-Drop:\r\nX-Twice: one\r\nX-Dropped: stays\r\nX-Kept:\tx \r\n'
export const request = (target: string, { method = 'GET', more = '' } = {}) =>
  `${method} ${target} HTTP/1.1\r\n${FIELDS}hOST: \t front:80 \r\n${more}\r\n`

type Counted = { routed: number; answered: number }

/** What the kernel did meanwhile; nobody else may have done anything. */
export async function byKernel(node: OutboundFixture, act: () => Promise<unknown>): Promise<Counted> {
  const before = node.ways()
  await act()
  const ways = node.ways()
  const routed = ways.KERNEL_ROUTED - before.KERNEL_ROUTED
  const answered = ways.KERNEL_ANSWERED - before.KERNEL_ANSWERED
  const others = { KERNEL_ROUTED: 0, KERNEL_ANSWERED: 0 }
  assert.deepEqual({ ...ways, ...others }, { ...before, ...others })
  return { routed, answered }
}

/** One message, and the first whole response. */
export async function ask(client: Connection, message: string): Promise<string> {
  client.forget()
  client.send(message)
  await client.until(() => responses(client.text) >= 1)
  return client.text
}
