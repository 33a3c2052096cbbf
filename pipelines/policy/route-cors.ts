/**
 * Requests of another origin's pages: what a CORS filter answers, and what it adds to responses
 * (HTTPCORSFilter; Fetch 3.3, "HTTP CORS protocol").
 *
 * - A preflight is an OPTIONS request with one Origin and, in Access-Control-Request-Method, one
 *   method. No server sees it. Its answer is 200; a client takes a permission from the fields alone,
 *   so that an origin which is not allowed gets the same answer without them.
 * - To any other response of the rule the permission is added; what the server itself said of it,
 *   or a filter of the rule, gives way, as two permissions are none (Fetch 4.9, "CORS check").
 * - `*` is answered with what was asked for: the wildcard itself says less (not Authorization, and
 *   nothing where credentials are sent). Only an origin is answered with `*`, where it may be: such
 *   a response is the same for all, and may be kept for all.
 * - A response that depends on Origin says so (Fetch 3.3.5, "CORS protocol and HTTP caches").
 */
import { byteText, isTokenByte } from '../protocols/http1-grammar.ts'
import { fieldValues, type Request } from '../protocols/http1-request.ts'
import { utf8 } from '../bytes.ts'
import type { HeaderChange } from './route-change.ts'
import type { Field, Filter } from './route.ts'

export type Cors = Extract<Filter, { kind: 'cors' }>

/** What a filter says of a response: in lower case, sorted. */
const GOVERNED = [
  'access-control-allow-credentials',
  'access-control-allow-origin',
  'access-control-expose-headers',
]
const ORIGIN = /^(https?):\/\/(\[[0-9a-f:.]+\]|[^/:@[\]]+)(?::(\d{1,5}))?$/
const WELL_KNOWN: Record<string, string> = { http: '80', https: '443' }

/** A rule's filters and then its backend's: the last one holds. */
export function corsOf(filters: readonly Filter[]): Cors | undefined {
  return filters.findLast((filter) => filter.kind === 'cors')
}

/** The value of a field that stands there once. */
function only(request: Request, name: string): string | undefined {
  const [value, second] = fieldValues(request, name)
  return value === undefined || second !== undefined ? undefined : byteText(value)
}

const isToken = (text: string) => text !== '' && utf8(text).every(isTokenByte)

/** Scheme, host and port of an origin, or of a pattern of some; without a port it is the scheme's own. */
function partsOf(text: string): { scheme: string; host: string; port: string } | undefined {
  const [, scheme = '', host = '', port = WELL_KNOWN[scheme] ?? ''] = ORIGIN.exec(text.toLowerCase()) ?? []
  return scheme === '' ? undefined : { scheme, host, port: String(Number(port)) }
}

/** A leading `*` stands for any number of labels, but for one at least. */
function hostHolds(pattern: string, host: string): boolean {
  if (pattern === '*') return true
  if (!pattern.startsWith('*')) return pattern === host
  return host.length > pattern.length - 1 && host.endsWith(pattern.slice(1))
}

function originHolds(pattern: string, origin: string): boolean {
  if (pattern === '*') return true
  const [wanted, found] = [partsOf(pattern), partsOf(origin)]
  if (wanted === undefined || found === undefined) return false
  const { scheme, port } = wanted
  return scheme === found.scheme && port === found.port && hostHolds(wanted.host, found.host)
}

const sharesWithAll = ({ origins, credentials }: Cors) => origins.includes('*') && !credentials

/** Permission for the request's origin, if it has any. */
function permission(cors: Cors, request: Request): Field[] {
  const origin = only(request, 'origin')
  const written = origin !== undefined && /^[!-~]+$/.test(origin)
  if (!written || !cors.origins.some((pattern) => originHolds(pattern, origin))) return []
  const fields = [{ name: 'Access-Control-Allow-Origin', value: sharesWithAll(cors) ? '*' : origin }]
  if (cors.credentials) fields.push({ name: 'Access-Control-Allow-Credentials', value: 'true' })
  return [...fields, ...listed('Expose', cors.expose)]
}

function listed(what: string, list: readonly string[]): Field[] {
  return list.length === 0 ? [] : [{ name: `Access-Control-${what}-Headers`, value: list.join(', ') }]
}

function varying(cors: Cors): Field[] {
  return sharesWithAll(cors) || cors.origins.length === 0 ? [] : [{ name: 'Vary', value: 'Origin' }]
}

/** Names that a preflight asks for; none where it writes anything else. */
function namesAsked(request: Request): string[] {
  const values = fieldValues(request, 'access-control-request-headers').map(byteText)
  const names = values
    .flatMap((value) => value.split(','))
    .map((name) => name.replace(/^[\t ]+|[\t ]+$/g, ''))
    .filter((name) => name !== '')
  return names.every(isToken) ? names : []
}

/** Fields of the answer to a preflight; undefined = the request is none. */
export function preflightOf(cors: Cors, request: Request): Field[] | undefined {
  const method = only(request, 'access-control-request-method')
  if (byteText(request.method) !== 'OPTIONS' || only(request, 'origin') === undefined) return undefined
  if (method === undefined || !isToken(method)) return undefined
  const allowed = permission(cors, request)
  if (allowed.length === 0) return varying(cors)
  const methods = cors.methods.includes('*') ? [method] : cors.methods
  return [
    ...allowed,
    ...(methods.length === 0 ? [] : [{ name: 'Access-Control-Allow-Methods', value: methods.join(', ') }]),
    ...listed('Allow', cors.headers.includes('*') ? namesAsked(request) : cors.headers),
    { name: 'Access-Control-Max-Age', value: String(cors.maxAge) },
    ...varying(cors),
  ]
}

/** A response's change by other filters, and what the CORS filter adds to it. */
export function withCors(change: HeaderChange, cors: Cors | undefined, request: Request): HeaderChange {
  if (cors === undefined) return change
  const others = change.append.filter(({ name }) => !GOVERNED.includes(name.toLowerCase()))
  return {
    drop: [...new Set([...change.drop, ...GOVERNED])].sort(),
    append: [...others, ...permission(cors, request), ...varying(cors)],
  }
}
