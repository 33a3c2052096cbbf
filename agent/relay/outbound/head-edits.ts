/** A head with a route's edits: every byte that they do not name stays (see `HeadEdits`). */
import type { HeadEdits } from './ports.ts'

/** What frames a message or its connection was decided on the head as it came. */
const FRAMING = ['connection', 'content-length', 'transfer-encoding', 'upgrade']
const LINE = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*$/
const TARGET = /^\/[\x21\x22\x24-\x7e]*$/

/** May these edits be made? What would split or reframe a message, or leave it without its Host, may not. */
export function areHonest({ remove, append, target }: HeadEdits): boolean {
  const appended = append.map(nameOf)
  const hosts = appended.filter((name) => name === 'host').length
  return (
    [...remove, ...appended].every((name) => !FRAMING.includes(name)) &&
    append.every((line) => LINE.test(line)) &&
    hosts === (remove.includes('host') ? 1 : 0) &&
    (target === undefined || TARGET.test(target))
  )
}

/** `head`: whole, canonical, its empty line included. */
export function editHead(head: Uint8Array, { remove, append, target }: HeadEdits): Buffer {
  const lines = Buffer.from(head).toString('latin1').split('\r\n')
  const first = lines[0] as string
  const start = target === undefined ? first : first.replace(/ [^ ]* /, () => ` ${target} `)
  // Behind the last field stand two empty strings: of its CRLF, and of the empty line.
  const kept = lines.slice(1, -2).filter((line) => !remove.includes(nameOf(line)))
  return Buffer.from([start, ...kept, ...append, '', ''].join('\r\n'), 'latin1')
}

const nameOf = (line: string) => line.slice(0, Math.max(0, line.indexOf(':'))).toLowerCase()
