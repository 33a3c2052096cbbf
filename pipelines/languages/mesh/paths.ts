/** `paths` of a policy: paths that servers read in more than one way, refused before any rule is fooled. */
import { everyRule } from '../../policy/every-rule.ts'
import type { Policy, Rule } from '../../policy/model.ts'
import type { Reader } from '../reader.ts'
import type { Path } from '../source-node.ts'
import type { SubjectSpec } from './forms.ts'
import type { Paths } from './paths-schema.ts'
import type { Match, MeshRule } from './schema.ts'

const AT = ['spec', 'paths']

/** RE2, full match, on the path as it is sent. */
const REFUSED: Record<keyof Paths, string> = {
  // %2E is a dot to everyone who decodes before he walks (RFC 3986 6.2.2.2; the URL Standard, 4.4).
  dotSegments: '(.*/)?(\\.|%2[eE]){1,2}(/.*)?',
  doubleSlashes: '.*//.*',
  encodedSlashes: '.*%(2[fF]|5[cC]).*',
  // ALPHA, DIGIT, - . _ ~ (RFC 3986 2.3).
  encodedLetters: '.*%(2[dDeE]|3[0-9]|4[1-9a-fA-F]|5[0-9aAfF]|6[1-9a-fA-F]|7[0-9aAeE]).*',
}
const OPTIONS = Object.keys(REFUSED) as (keyof Paths)[]

/** Each list of ports that requests are read on, once. */
function portLists(rules: readonly Rule[]): Rule['ports'][] {
  const lists = rules.filter(({ http }) => http !== null).map(({ ports }) => ports)
  const key = (ports: Rule['ports']) => JSON.stringify(ports?.map(({ first, last }) => [first, last]).sort())
  return [...new Map(lists.map((ports) => [key(ports), ports])).values()]
}

/** Denials for everyone, wherever the policy has rules about requests. */
export function pathRefusals(reader: Reader, paths: Paths | undefined, policy: Policy): Rule[] {
  const refused = OPTIONS.filter((option) => paths?.[option] === 'refuse')
  // An audit refuses nothing, neither by itself nor by what comes with it.
  const lists = portLists(everyRule({ ...policy, audits: [] }))
  if (refused.length > 0 && lists.length === 0) {
    const message = '`paths` changes nothing: no rule has a match'
    reader.warn(AT, message, 'remove it, or write match: {} beside the ports that speak HTTP')
  }
  return refused.flatMap((option) => {
    const source = reader.place([...AT, option])
    const text = { kind: 'regex' as const, value: REFUSED[option] }
    const http = [{ source, headers: [], condition: { kind: 'path' as const, text } }]
    return lists.map((ports) => ({ source, peers: null, ports, http, reason: `paths.${option}: refuse` }))
  })
}

/** Where a match first speaks of a path. */
function pathIn(match: Match, at: Path): Path | undefined {
  if (match.path !== undefined) return [...at, 'path']
  for (const field of ['all', 'any'] as const) {
    for (const [index, part] of (match[field] ?? []).entries()) {
      const found = pathIn(part, [...at, field, index])
      if (found !== undefined) return found
    }
  }
  return match.not === undefined ? undefined : pathIn(match.not, [...at, 'not'])
}

const denies = ({ action, match }: MeshRule) => action === 'deny' && match !== undefined

/** A denial by path says nothing of the same path in other words: its author has to know. */
export function warnOfOtherWords(reader: Reader, { paths, rules }: SubjectSpec): void {
  if (paths !== undefined) return
  const found = rules.flatMap((rule, index) => {
    const at = denies(rule) ? pathIn(rule.match as Match, ['spec', 'rules', index, 'match']) : undefined
    return at === undefined ? [] : [at]
  })
  const [first] = found
  if (first === undefined) return
  const message = 'a denial by path, though `/a/../b`, `//a` and `/%61` are compared as they are sent'
  const hint = `write paths: {${OPTIONS.map((option) => `${option}: refuse`).join(', ')}} under spec`
  reader.warn(first, message, hint)
}
