/**
 * Cases beside the policies: a question that the reference evaluator is asked, and the answer that is
 * expected. They say nothing of what policies mean: with and without them the model is the same.
 */
import { utf8 } from '../bytes.ts'
import { Failure } from '../contract/failures.ts'
import { parseHttp1 } from '../protocols/http1.ts'
import type { Request } from '../protocols/http1-request.ts'
import type { Verdict } from './evaluate.ts'
import type { ServicePort } from './route.ts'
import type { Source } from './source.ts'

/** `line`: method and target. Fields as they are sent, in order. */
export type CaseRequest = { line: string; fields: readonly (readonly [name: string, value: string])[] }

/** Who asks. The world has an address and no labels, a workload the reverse. */
export type Asker =
  | { kind: 'workload'; namespace: string; labels: Record<string, string> }
  | { kind: 'world'; address: string }

/** `namespace` is that of whom the case speaks for; `source` is where the case stands. */
type Asked = { test: string; namespace: string; name: string; source: Source; from: Asker }

/** pass: bytes flow unread. allow, deny: this request. drop: before any byte. */
export type CaseVerdict = 'allow' | 'deny' | 'drop' | 'pass'

/** What is not there may be anything. `policy` and `line` are of the rule that decides. */
export type ExpectedVerdict = {
  verdict: CaseVerdict
  status?: number | undefined
  reason?: Verdict['reason'] | undefined
  policy?: string | undefined
  line?: number | undefined
  /** Names of all audit rules that count the request, in order. */
  audit?: readonly string[] | undefined
}

/** May the request in? `request: null` = is a connection let in at all? */
export type InboundCase = Asked & {
  kind: 'inbound'
  request: CaseRequest | null
  to: { labels: Record<string, string>; port: number }
  expect: ExpectedVerdict
}

/** Of a forwarded request as it is sent: the path has no query, and no values = the header is not there. */
export type ExpectedForward = {
  kind: 'forward'
  service: { namespace: string; name: string }
  port?: number | undefined
  path?: string | undefined
  host?: string | undefined
  headers: readonly (readonly [name: string, values: readonly string[]])[]
}

export type ExpectedOutcome =
  | ExpectedForward
  | { kind: 'redirect'; status?: number | undefined; location?: string | undefined }
  | { kind: 'status'; status: number }

/** Where does the request go? `random` as evaluateRoute takes it; null = whatever it is. */
export type OutboundCase = Asked & {
  kind: 'outbound'
  request: CaseRequest
  service: ServicePort
  random: number | null
  expect: ExpectedOutcome
}

export type PolicyCase = InboundCase | OutboundCase

/** What decided: a policy's rule or a route's match. */
export type CaseDeciding = { kind: 'policy' | 'route'; namespace: string; name: string; source: Source }

/** `expected` and `came` in words; what decided is apart, as readers name files in their own way. */
export type CaseResult = { holds: boolean; expected: string; came: string; deciding: CaseDeciding | null }

/** The verdicts that a reason comes with. None: requests of cases are parsed. */
export const VERDICTS_OF = {
  'not-selected': ['pass'],
  'allowed-l4': ['pass'],
  'denied-by-rule': ['drop', 'deny'],
  'no-rule-for-peer-and-port': ['drop'],
  'request-matches': ['allow'],
  'no-rule-denies': ['allow'],
  'no-request-rule-matches': ['deny'],
  'unparsed-pass': [],
  'unparsed-refuse': [],
} as const satisfies Record<Verdict['reason'], readonly CaseVerdict[]>

/** As an answer counts and is shown: `test: name`, with the namespace in front. */
export function titleOf({ namespace, test, name }: PolicyCase): string {
  return `${namespace}/${test}: ${name}`
}

/** The request as the kernel would parse it; `Host: test` is added when no Host is given. */
export function parseCaseRequest({ line, fields }: CaseRequest): Request | { refused: string } {
  const named = fields.some(([name]) => name.toLowerCase() === 'host')
  const sent = named ? fields : [['Host', 'test'] as const, ...fields]
  const lines = [`${line} HTTP/1.1`, ...sent.map(([name, value]) => `${name}: ${value}`), '', '']
  const [first] = parseHttp1(utf8(lines.join('\r\n')))
  if (first?.kind === 'head') return first.request
  return { refused: first?.kind === 'refused' ? first.reason : (first?.kind ?? 'incomplete') }
}

/** Throws Failure('schema-violation') on what is no canonical request. */
export function requestOfCase(request: CaseRequest): Request {
  const parsed = parseCaseRequest(request)
  if ('refused' in parsed) throw new Failure('schema-violation', `no canonical request (${parsed.refused})`)
  return parsed
}
