/** Does what came of a request satisfy its row? The rules are those of conformance/utils/http (CompareRoundTrip). */
import type { Case } from './gateway-cases.ts'
import type { RowResponse } from './gateway-corpus.ts'

/** Fields as they came, by any case of their names. */
export type Fields = [string, string][]
/** What a client and a server saw. */
export type Seen = {
  status: number
  /** The client's response. */
  fields: Fields
  /** There only when a server answered: who may have, and what it got. */
  served?: { backends: string[] | null; namespace: string; path: string; method: string; fields: Fields }
}

const OK = 200
const WELL_KNOWN: Record<string, string> = { 'http:': '80', 'https:': '443' }

/** All values of a name, as one list. */
function value(fields: Fields, name: string): string | undefined {
  const values = fields
    .filter(([field]) => field.toLowerCase() === name.toLowerCase())
    .map(([, text]) => text)
  return values.length === 0 ? undefined : values.join(',')
}

type Wanted = { present: Record<string, string>; absent: string[] }

function* headers(where: string, fields: Fields, { present, absent }: Wanted): Generator<string> {
  for (const [name, text] of Object.entries(present)) {
    if (value(fields, name) !== text) yield `${where} ${name}: ${value(fields, name)}, not ${text}`
  }
  for (const name of absent) if (value(fields, name) !== undefined) yield `${where} has ${name}`
}

const withoutBlanks = (text: string | undefined) => text?.replace(/\s/g, '')

/** Fields that may have one of several values. */
function* choices(
  fields: Fields,
  { ValidHeaderValues = {}, IgnoreWhitespace }: RowResponse,
): Generator<string> {
  for (const [name, texts] of Object.entries(ValidHeaderValues)) {
    const found = value(fields, name)
    const held = IgnoreWhitespace
      ? texts.some((text) => withoutBlanks(text) === withoutBlanks(found))
      : found !== undefined && texts.includes(found)
    if (!held) yield `response ${name}: ${found}, none of ${texts.join(' | ')}`
  }
}

/** Host is compared where the row has one; a port that is not asked for may be the scheme's own. */
function* redirect({ row, request }: Case, seen: Seen): Generator<string> {
  const wanted = row.RedirectRequest
  if (wanted === undefined) return
  const location = value(seen.fields, 'location') ?? ''
  if (!URL.canParse(location)) {
    yield `Location ${location}`
    return
  }
  const { protocol, hostname, port, pathname } = new URL(location)
  const shown = port === '' ? (WELL_KNOWN[protocol] ?? '') : port
  const [path] = request.target.split('?', 1)
  if (protocol !== `${wanted.Scheme ?? 'http'}:`) yield `scheme ${protocol}`
  if (wanted.Host !== undefined && hostname !== wanted.Host) yield `host ${hostname}`
  if (shown !== (wanted.Port ?? WELL_KNOWN[protocol])) yield `port ${shown}`
  if (pathname !== (wanted.Path ?? path)) yield `path ${pathname}`
}

/** What such a row expects of the servers is a request without a path, in no namespace. */
const isPreflight = ({ row }: Case) => row.Namespace === '' && row.ExpectedRequest?.Request?.Path === ''

function* served({ row, request }: Case, seen: Seen): Generator<string> {
  const server = seen.served
  if (server === undefined) {
    yield 'no server answered'
    return
  }
  const { Backend, Namespace } = row
  if (Backend !== undefined && server.backends?.includes(Backend) === false)
    yield `backend ${server.backends}`
  if (Namespace !== undefined && server.namespace !== Namespace) yield `namespace ${server.namespace}`
  const wanted = row.ExpectedRequest
  if (server.path !== (wanted?.Request?.Path || request.target)) yield `path ${server.path}`
  if (server.method !== (wanted?.Request?.Method || request.method)) yield `method ${server.method}`
  const host = wanted?.Request?.Host
  if (host !== undefined && value(server.fields, 'host') !== host)
    yield `host ${value(server.fields, 'host')}`
  const present = wanted?.Request?.Headers ?? {}
  yield* headers('request', server.fields, { present, absent: wanted?.AbsentHeaders ?? [] })
}

/** Everything that differs; empty = the row passes. */
export function differences(item: Case, seen: Seen): string[] {
  const { StatusCode = OK, StatusCodes = [StatusCode], ...wanted } = item.row.Response ?? {}
  if (!StatusCodes.includes(seen.status)) return [`status ${seen.status}, not ${StatusCodes.join(' or ')}`]
  const fields = { present: wanted.Headers ?? {}, absent: wanted.AbsentHeaders ?? [] }
  const found = [
    ...redirect(item, seen),
    ...headers('response', seen.fields, fields),
    ...choices(seen.fields, wanted),
  ]
  if (isPreflight(item)) return seen.served === undefined ? found : [...found, 'a server was asked']
  return StatusCodes.includes(OK) ? [...found, ...served(item, seen)] : found
}
