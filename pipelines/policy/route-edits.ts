/**
 * The bytes of a changed head. Whoever changes one, kernel or relay, must come to exactly these:
 *
 * - Nothing but what is named here is touched: lines keep their bytes and their order, blanks
 *   around values, line ends and the case of names included.
 * - The target's path is replaced in place; its query stays. `OPTIONS *` has no path and stays.
 * - Host's value is replaced in place, without the blanks around it. A head without Host
 *   (HTTP/1.0) gets the line `Host: value` behind its last one.
 * - Dropped lines go with their line ends.
 * - Appended lines stand behind the last line that was there, before the empty one, as
 *   `name: value` and CR LF, with the name as the policy writes it. So a value that is added comes behind
 *   those that the field has (RFC 9110 5.3: lines of one name are one list).
 *
 * Of responses, 1xx other than 101 stay as they are: they speak of the exchange, not of its answer.
 */
import { byteText, foldByte } from '../protocols/http1-grammar.ts'
import { utf8 } from '../bytes.ts'
import { changedPath, type HeaderChange, type RequestChange } from './route-change.ts'

/** At offset `at` of the head as it came, `remove` bytes give way to `insert`. */
export type Edit = { at: number; remove: number; insert: Uint8Array }

const CRLF = '\r\n'

/** A field's line: from its first byte to behind its line end, and where its value stands. */
type Line = { name: string; at: number; end: number; value: { at: number; end: number } }
type Head = { first: string; lines: Line[]; end: number }

const isBlank = (character: string | undefined) => character === ' ' || character === '\t'
const lowerCase = (name: string) => byteText([...name].map((character) => foldByte(character.charCodeAt(0))))

/** `end` is behind the line's last byte before its line end, `next` where the next one begins. */
function lineOf(text: string, at: number, { end, next }: { end: number; next: number }): Line {
  const colon = text.slice(at, end).indexOf(':')
  const value = { at: colon < 0 ? end : at + colon + 1, end }
  while (value.at < value.end && isBlank(text[value.at])) value.at += 1
  while (value.end > value.at && isBlank(text[value.end - 1])) value.end -= 1
  return { name: colon < 0 ? '' : lowerCase(text.slice(at, at + colon)), at, end: next, value }
}

/**
 * Lines of a head; `end` is where the empty line begins. A server's line may end in LF alone, and
 * one that begins with a blank goes on the line before it (RFC 9112 2.2, 5.2); a canonical request
 * has neither.
 */
function headOf(bytes: Uint8Array): Head {
  const text = byteText(bytes)
  const lines: Line[] = []
  let first: string | undefined
  for (let at = 0; ; ) {
    const feed = text.indexOf('\n', at)
    const end = text[feed - 1] === '\r' ? feed - 1 : feed
    if (end <= at) return { first: first ?? '', lines, end: at }
    const last = lines.at(-1)
    if (first === undefined) first = text.slice(0, end)
    else if (isBlank(text[at]) && last !== undefined) last.end = feed + 1
    else lines.push(lineOf(text, at, { end, next: feed + 1 }))
    at = feed + 1
  }
}

function targetEdits({ first }: Head, { path }: RequestChange): Edit[] {
  const at = first.indexOf(' ') + 1
  if (path === null || first[at] !== '/') return []
  const target = first.slice(at, first.lastIndexOf(' '))
  const old = target.split('?', 1)[0] as string
  return [{ at, remove: old.length, insert: utf8(changedPath(old, path)) }]
}

/** Neighbouring lines that go are one edit. */
function dropEdits(lines: readonly Line[], drop: readonly string[]): Edit[] {
  const edits: Edit[] = []
  for (const line of lines) {
    if (!drop.includes(line.name)) continue
    const last = edits.at(-1)
    const remove = line.end - line.at
    if (last !== undefined && last.at + last.remove === line.at) last.remove += remove
    else edits.push({ at: line.at, remove, insert: new Uint8Array() })
  }
  return edits
}

function appendEdits(end: number, append: HeaderChange['append']): Edit[] {
  const text = append.map(({ name, value }) => `${name}: ${value}${CRLF}`).join('')
  return text === '' ? [] : [{ at: end, remove: 0, insert: utf8(text) }]
}

const inOrder = (edits: Edit[]): Edit[] => edits.sort((left, right) => left.at - right.at)

/** Edits of a request's head (its first byte to its empty line), by place; they never overlap. */
export function requestEdits(bytes: Uint8Array, change: RequestChange): Edit[] {
  const head = headOf(bytes)
  const { drop, append } = change.headers
  const edits = [...targetEdits(head, change), ...dropEdits(head.lines, drop)]
  if (change.host === null) return inOrder([...edits, ...appendEdits(head.end, append)])
  const host = drop.includes('host') ? undefined : head.lines.find(({ name }) => name === 'host')
  if (host === undefined) {
    const named = [{ name: 'Host', value: change.host }, ...append]
    return inOrder([...edits, ...appendEdits(head.end, named)])
  }
  const { at, end } = host.value
  edits.push({ at, remove: end - at, insert: utf8(change.host) })
  return inOrder([...edits, ...appendEdits(head.end, append)])
}

/** Edits of a response's head. */
export function responseEdits(bytes: Uint8Array, { drop, append }: HeaderChange): Edit[] {
  const head = headOf(bytes)
  const status = head.first.split(' ', 2)[1] ?? ''
  if (status.startsWith('1') && status !== '101') return []
  return inOrder([...dropEdits(head.lines, drop), ...appendEdits(head.end, append)])
}

export function applyEdits(bytes: Uint8Array, edits: readonly Edit[]): Uint8Array {
  const changed: number[] = []
  let at = 0
  for (const edit of edits) {
    changed.push(...bytes.subarray(at, edit.at), ...edit.insert)
    at = edit.at + edit.remove
  }
  return Uint8Array.from([...changed, ...bytes.subarray(at)])
}
