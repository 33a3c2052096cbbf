/**
 * What filters come to: one change of a request's head and one of its response's, known before
 * any request is. Every implementation makes heads out of it (route-edits.ts); the compiler puts
 * it into tables.
 */
import { withoutSlash } from './route-match.ts'
import type { Field, Filter, RouteMatch } from './route.ts'

/**
 * Fields that frame a message, end a connection or say where it goes. Who changes them
 * changes what the next reader takes for a request (RFC 9112 11.2).
 */
const RESERVED: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'expect',
  'host',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/** Nobody may change a header of this name by name. */
export function isReserved(name: string): boolean {
  return RESERVED.has(name.toLowerCase())
}

/**
 * `drop`: lower-case names; every line of such a name goes. `append`: lines behind the last one,
 * in this order, also such whose name was dropped.
 */
export type HeaderChange = { drop: string[]; append: Field[] }

/**
 * `prefix`: the path's first `length` bytes become `value`, and the slash that a whole path needs
 * is put in when both sides are empty: /foo with prefix /foo and replacement / is /.
 */
export type NewPath = { kind: 'full'; value: string } | { kind: 'prefix'; length: number; value: string }

/** `host`: the new value of Host. */
export type RequestChange = { path: NewPath | null; host: string | null; headers: HeaderChange }

/** Remove, set, add, filter by filter. A later one also sees what an earlier one appended. */
function headerChange(
  filters: readonly Filter[],
  kind: 'request-headers' | 'response-headers',
): HeaderChange {
  const drop = new Set<string>()
  let append: Field[] = []
  const remove = (name: string) => {
    drop.add(name.toLowerCase())
    append = append.filter((field) => field.name.toLowerCase() !== name.toLowerCase())
  }
  for (const filter of filters) {
    if (filter.kind !== kind) continue
    for (const name of filter.remove) remove(name)
    for (const field of filter.set) {
      remove(field.name)
      append.push(field)
    }
    append.push(...filter.add)
  }
  return { drop: [...drop].sort(), append }
}

/** A path change, seen from the match that decided. */
export function newPath(change: { kind: 'full' | 'prefix'; value: string }, match: RouteMatch): NewPath {
  if (change.kind === 'full') return { kind: 'full', value: change.value === '' ? '/' : change.value }
  return {
    kind: 'prefix',
    length: withoutSlash(match.path.value).length,
    value: withoutSlash(change.value),
  }
}

/** The new path of a request whose path (one character a byte) the match holds for. */
export function changedPath(path: string, change: NewPath): string {
  if (change.kind === 'full') return change.value
  const changed = change.value + path.slice(change.length)
  return changed === '' ? '/' : changed
}

/** A rule's filters, then its backend's. Of two rewrites of one part the later one holds. */
export function requestChange(filters: readonly Filter[], match: RouteMatch): RequestChange {
  const change: RequestChange = {
    path: null,
    host: null,
    headers: headerChange(filters, 'request-headers'),
  }
  for (const filter of filters) {
    if (filter.kind !== 'rewrite') continue
    if (filter.path !== undefined) change.path = newPath(filter.path, match)
    if (filter.host !== undefined) change.host = filter.host
  }
  return change
}

export function responseChange(filters: readonly Filter[]): HeaderChange {
  return headerChange(filters, 'response-headers')
}
