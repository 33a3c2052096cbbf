/** Heddle's own annotations on a CiliumNetworkPolicy; an unknown one is an error, not ignored. */
import { parseRegex } from '../../automata/regex.ts'
import type { Intents } from '../../policy/intents.ts'
import type { Policy } from '../../policy/model.ts'
import { nearestName } from '../nearest-name.ts'
import type { Reader } from '../reader.ts'

const OWN = 'heddle.dev/'
export const UNPARSED = 'heddle.dev/unparsed'
/** Requests that the policy means to refuse: a line each, method (or `*`) and path as RE2. */
const REFUSES = 'heddle.dev/refuses'
const KNOWN = [UNPARSED, REFUSES]
const PATH = ['metadata', 'annotations']
const LINE = /^(\*|[A-Z]{1,32}) +(\/\S{0,2047})$/

export function annotationsOf(
  reader: Reader,
  annotations: Record<string, string>,
): Pick<Policy, 'unparsed' | 'refuses'> {
  for (const key of Object.keys(annotations)) {
    if (!key.startsWith(OWN) || KNOWN.includes(key)) continue
    const near = nearestName(key, KNOWN)
    const hint = near === undefined ? 'remove it' : `did you mean \`${near}\`?`
    reader.refuse([...PATH, key], 'unknown-field', `unknown annotation \`${key}\``, hint)
  }
  const unparsed = unparsedOf(reader, annotations[UNPARSED])
  const refuses = annotations[REFUSES]
  return refuses === undefined ? { unparsed } : { unparsed, refuses: refusesOf(reader, refuses) }
}

function unparsedOf(reader: Reader, value = 'refuse'): Policy['unparsed'] {
  if (value === 'refuse' || value === 'pass') return value
  reader.refuse([...PATH, UNPARSED], 'schema-violation', `\`${value}\` is no answer`, 'write pass or refuse')
  return 'refuse'
}

function refusesOf(reader: Reader, text: string): Intents {
  const lines = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
  return lines.flatMap((line) => {
    const [, method = '', path = ''] = LINE.exec(line) ?? []
    if (path === '') {
      const hint = 'write a method or *, a blank and a path, like GET /private/.*'
      reader.refuse([...PATH, REFUSES], 'schema-violation', `\`${line}\` names no requests`, hint)
      return []
    }
    const parsed = parseRegex(path)
    if (!parsed.ok) {
      const message = `\`${path}\` at ${parsed.offset}: ${parsed.reason}`
      reader.refuse([...PATH, REFUSES], 'expression-invalid', message, 'write an RE2 expression')
      return []
    }
    return [{ method: method === '*' ? null : method, path }]
  })
}
