/** Heddle's own annotations on a policy; an unknown one is an error, not ignored. */
import { parseRegex } from '../automata/regex.ts'
import type { Intents } from '../policy/intents.ts'
import type { Policy } from '../policy/model.ts'
import { nearestName } from './nearest-name.ts'
import type { Reader } from './reader.ts'

export const UNPARSED = 'heddle.dev/unparsed'
export const ANNOTATIONS = ['metadata', 'annotations']
const OWN = 'heddle.dev/'
/** Requests that the policy means to refuse: a line each, method (or `*`) and path as RE2. */
const REFUSES = 'heddle.dev/refuses'
const LINE = /^(\*|[A-Z]{1,32}) +(\/\S{0,2047})$/

/** Those that every language has; `others` are the language's own. */
export function annotationsOf(
  reader: Reader,
  annotations: Record<string, string>,
  others: readonly string[],
): Pick<Policy, 'refuses'> {
  const known = [REFUSES, ...others]
  for (const key of Object.keys(annotations)) {
    if (!key.startsWith(OWN) || known.includes(key)) continue
    const near = nearestName(key, known)
    const hint = near === undefined ? 'remove it' : `did you mean \`${near}\`?`
    reader.refuse([...ANNOTATIONS, key], 'unknown-field', `unknown annotation \`${key}\``, hint)
  }
  const refuses = annotations[REFUSES]
  return refuses === undefined ? {} : { refuses: refusesOf(reader, refuses) }
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
      reader.refuse([...ANNOTATIONS, REFUSES], 'schema-violation', `\`${line}\` names no requests`, hint)
      return []
    }
    const parsed = parseRegex(path)
    if (!parsed.ok) {
      const message = `\`${path}\` at ${parsed.offset}: ${parsed.reason}`
      reader.refuse([...ANNOTATIONS, REFUSES], 'expression-invalid', message, 'write an RE2 expression')
      return []
    }
    return [{ method: method === '*' ? null : method, path }]
  })
}
