/** `path` of a match. */
import type { Leaf, PathText } from '../../../policy/condition.ts'
import { isTargetByte } from '../../../protocols/http1-grammar.ts'
import type { Reader } from '../../reader.ts'
import type { Path } from '../../source-node.ts'
import type { PathMatch } from '../schema.ts'
import { fits, readExpression } from './text.ts'

const KINDS = {
  exact: 'exact',
  prefix: 'segments',
  rawPrefix: 'prefix',
  suffix: 'suffix',
  regex: 'regex',
} as const satisfies Record<keyof PathMatch, PathText['kind']>
const FIELDS = Object.keys(KINDS) as (keyof PathMatch)[]

const isTarget = (text: string) =>
  [...text].every((character) => isTargetByte(character.codePointAt(0) as number))

/** What is wrong with a text that paths are compared with, and what to do; undefined = nothing. */
function problemOf(field: keyof PathMatch, text: string): [message: string, hint: string] | undefined {
  if (text === '' && field === 'suffix') return ['every path ends with this', 'remove `path`']
  if (field !== 'suffix' && !text.startsWith('/'))
    return [`the path \`${text}\` does not start with /`, 'write an absolute path']
  if (text.includes('?'))
    return [
      `the path \`${text}\` has a query`,
      'write its parameters under query: paths are compared without',
    ]
  if (text.includes('#')) return [`the path \`${text}\` has a fragment`, 'remove it: clients do not send it']
  if (!isTarget(text)) return [`no path can have \`${text}\``, 'write it percent-encoded, as clients send it']
  return undefined
}

export function pathLeaf(reader: Reader, path: Path, match: PathMatch): Leaf[] {
  const [field, second] = FIELDS.filter((each) => match[each] !== undefined)
  const hint = `write exactly one of ${FIELDS.join(', ')}`
  if (field === undefined) {
    reader.refuse(path, 'schema-violation', '`path` is empty', hint)
    return []
  }
  if (second !== undefined) {
    const message = `\`${second}\` beside \`${field}\` in one path`
    reader.refuse([...path, second], 'schema-violation', message, hint)
  }
  const value = match[field] as string
  const at = [...path, field]
  if (field === 'regex') readExpression(reader, at, value)
  else if (fits(reader, at, value)) {
    const wrong = problemOf(field, value)
    if (wrong !== undefined) reader.refuse(at, 'schema-violation', ...wrong)
  }
  return [{ kind: 'path', text: { kind: KINDS[field], value } }]
}
