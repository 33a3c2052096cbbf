/** What a route does to requests and responses → filters of the route model. */
import { utf8 } from '../../bytes.ts'
import { BODILESS, type Filter, MAX_RESPOND_BYTES } from '../../policy/route.ts'
import type { Reader } from '../reader.ts'
import { corsFilterOf } from '../routes/cors.ts'
import { headersOf, namesHeader } from '../routes/header-fields.ts'
import { pathProblem } from '../routes/path-problem.ts'
import type { Path } from '../source-node.ts'
import type { Cors, HeaderChanges, Redirect, Respond, Rewrite } from './route-schema.ts'
import type { MeshRoute } from './schema.ts'

const HOST = 'write rewrite: {host: …}'
const USUAL_AGE = 5
/** Said, so that nobody guesses one from the bytes. */
const USUAL_TYPE = 'text/plain; charset=utf-8'

type NewPath = { path?: { kind: 'full' | 'prefix'; value: string } }

function newPath(reader: Reader, { path: full, prefix }: Redirect | Rewrite, at: Path): NewPath {
  if (full !== undefined && prefix !== undefined) {
    const hint = 'write path for a whole path, or prefix for what path: {prefix: …} matched'
    reader.refuse([...at, 'prefix'], 'schema-violation', '`prefix` beside `path`', hint)
  }
  const value = full ?? prefix
  if (value === undefined) return {}
  const wrong = pathProblem(value)
  if (wrong !== undefined) {
    const hint = 'write an absolute path; the query of a request is kept'
    const field = full === undefined ? 'prefix' : 'path'
    reader.refuse([...at, field], 'schema-violation', `the path \`${value}\` ${wrong}`, hint)
  }
  return { path: { kind: full === undefined ? 'prefix' : 'full', value } }
}

function redirectOf(reader: Reader, redirect: Redirect, at: Path): Filter {
  const { status = 302, scheme, host, port } = redirect
  return {
    kind: 'redirect',
    status,
    ...(scheme === undefined ? {} : { scheme }),
    ...(host === undefined ? {} : { host }),
    ...(port === undefined ? {} : { port }),
    ...newPath(reader, redirect, at),
  }
}

function rewriteOf(reader: Reader, rewrite: Rewrite, at: Path): Filter {
  if (Object.keys(rewrite).length === 0) {
    reader.refuse(at, 'schema-violation', '`rewrite` is empty', 'write host, path or prefix')
  }
  const host = rewrite.host === undefined ? {} : { host: rewrite.host }
  return { kind: 'rewrite', ...host, ...newPath(reader, rewrite, at) }
}

function respondOf(reader: Reader, { status, contentType, body = '' }: Respond, at: Path): Filter {
  const { length } = utf8(body)
  if (length > MAX_RESPOND_BYTES) {
    const message = `a body of ${length} bytes, more than ${MAX_RESPOND_BYTES}`
    reader.refuse([...at, 'body'], 'limit-exceeded', message, 'let a server have it')
  }
  if (length > 0 && BODILESS.includes(status)) {
    const message = `a response of status ${status} has no body`
    reader.refuse([...at, 'body'], 'schema-violation', message, 'remove it, or write another status')
  }
  const type = contentType ?? (length > 0 ? USUAL_TYPE : undefined)
  return { kind: 'respond', status, ...(type === undefined ? {} : { contentType: type }), body }
}

function changesOf(reader: Reader, written: HeaderChanges, at: Path, kind: 'request' | 'response'): Filter {
  const { remove = [], set = [], add = [] } = written
  if (remove.length + set.length + add.length === 0) {
    reader.refuse(at, 'schema-violation', 'headers that nothing is done to', 'write remove, set or add')
  }
  return headersOf(reader, { remove, set, add }, at, { kind, host: HOST })
}

function corsOf(reader: Reader, cors: Cors, at: Path): Filter {
  const { allowMethods = [], allowHeaders = [], exposeHeaders = [] } = cors
  const { allowOrigins, allowCredentials = false, maxAge = USUAL_AGE } = cors
  const lists = { allowOrigins, allowMethods, allowHeaders, exposeHeaders }
  return corsFilterOf(reader, { ...lists, allowCredentials, maxAge }, at)
}

type Headers = Pick<MeshRoute, 'requestHeaders' | 'responseHeaders'>

/** Of a route, or of one of its destinations. */
export function headerFilters(
  reader: Reader,
  { requestHeaders, responseHeaders }: Headers,
  at: Path,
): Filter[] {
  const request = [...at, 'requestHeaders']
  const response = [...at, 'responseHeaders']
  return [
    ...(requestHeaders === undefined ? [] : [changesOf(reader, requestHeaders, request, 'request')]),
    ...(responseHeaders === undefined ? [] : [changesOf(reader, responseHeaders, response, 'response')]),
  ]
}

/** Only its Location makes a response a redirect. */
function checkLocation(reader: Reader, filters: readonly Filter[], at: Path): void {
  if (!filters.some((filter) => namesHeader(filter, 'location'))) return
  const message = 'the Location of a redirect cannot be changed as a header'
  reader.refuse(at, 'unsupported-feature', message, 'write scheme, host, port and path under redirect')
}

export function filtersOf(reader: Reader, route: MeshRoute, at: Path): Filter[] {
  const { redirect, respond, rewrite, cors } = route
  const headers = headerFilters(reader, route, at)
  if (redirect !== undefined) checkLocation(reader, headers, [...at, 'responseHeaders'])
  return [
    ...(redirect === undefined ? [] : [redirectOf(reader, redirect, [...at, 'redirect'])]),
    ...(respond === undefined ? [] : [respondOf(reader, respond, [...at, 'respond'])]),
    ...(rewrite === undefined ? [] : [rewriteOf(reader, rewrite, [...at, 'rewrite'])]),
    ...headers,
    ...(cors === undefined ? [] : [corsOf(reader, cors, [...at, 'cors'])]),
  ]
}
