/** `headers`, `query` and `cookies` of a match: names, and what their values must be. */
import type { Condition, Leaf, Text } from '../../../policy/condition.ts'
import { isTargetByte } from '../../../protocols/http1-grammar.ts'
import { isFieldText, isToken, mayBeValue } from '../../field-text.ts'
import type { Reader } from '../../reader.ts'
import type { Path } from '../../source-node.ts'
import type { NamedMatch } from '../schema.ts'
import { fits, readExpression } from './text.ts'

type Kind = Extract<Leaf, { name: string }>['kind']
type Part = 'exact' | 'prefix' | 'suffix'
type Problem = readonly [message: string, hint: string]

const ASKED = ['exact', 'prefix', 'suffix', 'regex', 'present', 'absent'] as const

const isQuery = (text: string) =>
  [...text].every((character) => character !== '&' && isTargetByte(character.codePointAt(0) as number))

const AS_SENT = 'what is compared is what is sent, undecoded: write it percent-encoded, as clients send it'
const BLANKS = 'remove blanks around the value, and control characters'

/** What is wrong with the name; undefined = nothing. */
function nameProblem(kind: Kind, name: string): Problem | undefined {
  if (kind === 'query') {
    const mayBeSent = name !== '' && !name.includes('=') && isQuery(name)
    return mayBeSent ? undefined : [`\`${name}\` is no name of a parameter`, AS_SENT]
  }
  if (!isToken(name)) {
    const hint = 'write the name alone, as RFC 9110 5.6.2 has it; the value stands under exact'
    return [`\`${name}\` is no name of a ${kind}`, hint]
  }
  if (kind === 'header' && name.toLowerCase() === 'host')
    return ['the host is no header here', 'write host: beside headers, without it']
  return undefined
}

/** What is wrong with a text that values are compared with; undefined = nothing. */
function valueProblem(kind: Kind, part: Part, text: string): Problem | undefined {
  if (text === '' && part !== 'exact') return [`every value has an empty ${part}`, 'write present: true']
  switch (kind) {
    case 'header':
      return mayBeValue(text, part) ? undefined : ['no header can have this value', BLANKS]
    case 'query':
      return isQuery(text) ? undefined : [`no parameter can have the value \`${text}\``, AS_SENT]
    case 'cookie':
      if (text.includes(';'))
        return ['no cookie can have `;` in its value', 'write what stands in front of it']
      return isFieldText(text) ? undefined : ['no cookie can have this value', 'remove control characters']
  }
}

/** What is asked of a value; null = that it is there. */
function textOf(reader: Reader, path: Path, match: NamedMatch, kind: Kind): Text | null {
  for (const part of ['exact', 'prefix', 'suffix', 'regex'] as const) {
    const value = match[part]
    const at = [...path, part]
    if (value === undefined) continue
    if (part === 'regex') readExpression(reader, at, value)
    else if (fits(reader, at, value)) {
      const wrong = valueProblem(kind, part, value)
      if (wrong !== undefined) reader.refuse(at, 'schema-violation', ...wrong)
    }
    return { kind: part, value }
  }
  return null
}

function checkAsked(reader: Reader, path: Path, match: NamedMatch): void {
  const [first, second] = ASKED.filter((each) => match[each] !== undefined)
  if (second !== undefined) {
    const message = `\`${second}\` beside \`${first}\` of one name`
    reader.refuse([...path, second], 'schema-violation', message, 'write an entry of its own for each')
  }
  for (const [flag, instead] of [
    ['present', 'absent'],
    ['absent', 'present'],
  ] as const) {
    if (match[flag] !== false) continue
    reader.refuse([...path, flag], 'schema-violation', `\`${flag}: false\``, `write ${instead}: true`)
  }
}

/** All entries of a list have to hold. */
export function namedConditions(
  reader: Reader,
  path: Path,
  list: NamedMatch[] | undefined,
  kind: Kind,
): Condition[] {
  return (list ?? []).map((match, index): Condition => {
    const here = [...path, index]
    checkAsked(reader, here, match)
    if (fits(reader, [...here, 'name'], match.name)) {
      const wrong = nameProblem(kind, match.name)
      if (wrong !== undefined) reader.refuse([...here, 'name'], 'schema-violation', ...wrong)
    }
    const name = kind === 'header' ? match.name.toLowerCase() : match.name
    const leaf: Leaf = { kind, name, text: textOf(reader, here, match, kind) }
    return match.absent === undefined ? leaf : { kind: 'not', of: leaf }
  })
}
