/** `rules[].matches`: what the resource definition's rules say of each, and the match it is in the model. */
import type * as model from '../../policy/route.ts'
import { isTargetByte } from '../../protocols/http1-grammar.ts'
import { checkExpression } from '../expressions.ts'
import { pathProblem } from '../routes/path-problem.ts'
import type { Reader } from '../reader.ts'
import type { Path } from '../source-node.ts'
import type { Match, NamedMatch, PathMatch } from './schema.ts'

function pathOf(reader: Reader, { type, value }: PathMatch, path: Path): model.PathMatch {
  const here = [...path, 'value']
  if (type === 'RegularExpression') {
    checkExpression(reader, here, value)
    return { kind: 'regex', value }
  }
  const wrong = pathProblem(value)
  if (wrong !== undefined) {
    const hint = 'write an absolute path as clients send it, percent-encoded where it must be'
    reader.refuse(here, 'schema-violation', `the path \`${value}\` ${wrong}`, hint)
  }
  return { kind: type === 'Exact' ? 'exact' : 'prefix', value }
}

/** One name, one entry; "subsequent entries with an equivalent name MUST be ignored". */
function namedOf(reader: Reader, list: NamedMatch[], path: Path, fold: boolean): model.NamedMatch[] {
  const seen = new Map<string, string>()
  return list.flatMap(({ type, name: written, value }, index): model.NamedMatch[] => {
    const here = [...path, index]
    const name = fold ? written.toLowerCase() : written
    const first = seen.get(name)
    if (first === written) {
      const hint = 'remove one: a match has one entry a name'
      reader.refuse([...here, 'name'], 'schema-violation', `\`${written}\` is asked for twice`, hint)
    } else if (first !== undefined) {
      const message = `\`${written}\` has no effect: it is the same header as \`${first}\``
      reader.warn([...here, 'name'], message, 'remove one: only the first counts')
    }
    if (first !== undefined) return []
    seen.set(name, written)
    if (type === 'RegularExpression') checkExpression(reader, [...here, 'value'], value)
    return [{ name, kind: type === 'Exact' ? 'exact' : 'regex', value }]
  })
}

const mayBeSent = (value: string) =>
  [...value].every((character) => character !== '&' && isTargetByte(character.charCodeAt(0)))

export function matchOf(reader: Reader, match: Match, path: Path): model.RouteMatch {
  for (const [index, { type, value }] of match.queryParams.entries()) {
    if (type === 'RegularExpression' || mayBeSent(value)) continue
    const message = `no parameter can have the value \`${value}\`: it is compared as it is sent`
    const hint = 'write it percent-encoded, as clients send it'
    reader.refuse([...path, 'queryParams', index, 'value'], 'schema-violation', message, hint)
  }
  if (match.method === 'CONNECT') {
    const message = 'no request with CONNECT is routed: each is refused with 400'
    reader.refuse([...path, 'method'], 'unsupported-feature', message, 'remove the match')
  }
  return {
    source: reader.place(path),
    path: pathOf(reader, match.path, [...path, 'path']),
    ...(match.method === undefined ? {} : { method: match.method }),
    headers: namedOf(reader, match.headers, [...path, 'headers'], true),
    query: namedOf(reader, match.queryParams, [...path, 'queryParams'], false),
  }
}
