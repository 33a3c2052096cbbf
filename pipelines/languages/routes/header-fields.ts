/** Headers that a route sets, adds and removes: what may not be changed by name, and names that stand twice. */
import type { Field, Filter } from '../../policy/route.ts'
import { isReserved } from '../../policy/route-change.ts'
import type { Reader } from '../reader.ts'
import type { Path } from '../source-node.ts'

/** `kind`: whose head they are of; `host`: what to write instead of Host. */
export type HeadersOf = { kind: 'request' | 'response'; host: string }
export type HeaderLists = { set: Field[]; add: Field[]; remove: string[] }

function checkName(reader: Reader, path: Path, name: string, host: string): void {
  if (!isReserved(name)) return
  const hint = /^host$/i.test(name)
    ? host
    : 'remove it: it frames the message, or speaks of one connection alone'
  reader.refuse(path, 'unsupported-feature', `the header \`${name}\` cannot be changed`, hint)
}

/** Of names that differ in case alone the first counts, as in a match. */
function fieldsOf(reader: Reader, list: Field[], path: Path, host: string): Field[] {
  const seen = new Map<string, string>()
  return list.flatMap(({ name, value }, index): Field[] => {
    const here = [...path, index, 'name']
    checkName(reader, here, name, host)
    const first = seen.get(name.toLowerCase())
    if (first === name) {
      reader.refuse(here, 'schema-violation', `\`${name}\` stands twice in one list`, 'remove one')
    } else if (first !== undefined) {
      const message = `\`${name}\` has no effect: it is the same header as \`${first}\``
      reader.warn(here, message, 'remove one: only the first counts')
    }
    if (first !== undefined) return []
    seen.set(name.toLowerCase(), name)
    return [{ name, value }]
  })
}

export function headersOf(reader: Reader, part: HeaderLists, path: Path, { kind, host }: HeadersOf): Filter {
  for (const [index, name] of part.remove.entries()) checkName(reader, [...path, 'remove', index], name, host)
  return {
    kind: `${kind}-headers`,
    set: fieldsOf(reader, part.set, [...path, 'set'], host),
    add: fieldsOf(reader, part.add, [...path, 'add'], host),
    remove: part.remove,
  }
}

/** Does a response's change name this header (in lower case)? */
export function namesHeader(filter: Filter, wanted: string): boolean {
  if (filter.kind !== 'response-headers') return false
  const names = [...[...filter.set, ...filter.add].map(({ name }) => name), ...filter.remove]
  return names.some((name) => name.toLowerCase() === wanted)
}
