/** `toPorts[].rules.http`: requests that are let through, and copied. */
import type { Mirror } from '../../policy/mirror.ts'
import type { HeaderMatch, HttpMatch, Ports } from '../../policy/model.ts'
import { checkExpression } from '../expressions.ts'
import { isToken, mayBeValue } from '../field-text.ts'
import { mirrorRatio, mirrorTarget } from '../mirrors.ts'
import type { Reader } from '../reader.ts'
import type { Path } from '../source-node.ts'
import type { PortRule, PortRuleHttp } from './schema.ts'

/** Alternatives that lists of header values may make of one rule. */
const MAX_ALTERNATIVES = 64

function checked(reader: Reader, path: Path, header: HeaderMatch): HeaderMatch[] {
  if (!isToken(header.name)) {
    const message = `\`${header.name}\` is no name of a header`
    reader.refuse(
      path,
      'schema-violation',
      message,
      'write "Name" or "Name: value", with one blank behind the colon',
    )
    return []
  }
  if (header.value !== undefined && !mayBeValue(header.value)) {
    const message = 'no header can have this value'
    reader.refuse(path, 'schema-violation', message, 'remove blanks around the value, and control characters')
    return []
  }
  return [header]
}

/**
 * "Name" or "Name: value", split at the first blank, colons behind the name
 * dropped (cilium/cilium pkg/envoy, getHTTPRule: SplitN, TrimRight).
 */
function fromText(text: string): HeaderMatch {
  const blank = text.indexOf(' ')
  if (blank < 0) return { name: text }
  return { name: text.slice(0, blank).replace(/:+$/, ''), value: text.slice(blank + 1) }
}

/** Alternatives for each header: one, or several when a list of values is given. */
function headerChoices(reader: Reader, rule: PortRuleHttp, path: Path): HeaderMatch[][] {
  const choices: HeaderMatch[][] = []
  for (const [index, header] of (rule.headers ?? []).entries()) {
    const here = [...path, 'headers', index]
    const wanted =
      typeof header === 'string'
        ? [fromText(header)]
        : header.values === undefined
          ? [{ name: header.name }]
          : header.values.map((value) => ({ name: header.name, value }))
    choices.push(wanted.flatMap((candidate) => checked(reader, here, candidate)))
  }
  for (const [index, { name, value, mismatch }] of (rule.headerMatches ?? []).entries()) {
    const here = [...path, 'headerMatches', index]
    if (mismatch !== undefined) {
      const message = `the mismatch action ${mismatch} is not supported`
      const hint = 'remove it: a request that does not match is answered 403, and requests are never changed'
      reader.refuse([...here, 'mismatch'], 'unsupported-feature', message, hint)
    }
    // As in Cilium, an empty value asks for presence only.
    choices.push(checked(reader, here, value === undefined || value === '' ? { name } : { name, value }))
  }
  return choices
}

function pattern(reader: Reader, path: Path, text: string | undefined): string | undefined {
  if (text === undefined || text === '') return undefined
  checkExpression(reader, path, text)
  return text
}

function matchesOf(reader: Reader, rule: PortRuleHttp, path: Path): HttpMatch[] {
  const match: HttpMatch = { source: reader.place(path), headers: [] }
  for (const part of ['method', 'path', 'host'] as const) {
    const text = pattern(reader, [...path, part], rule[part])
    if (text !== undefined) match[part] = text
  }
  const choices = headerChoices(reader, rule, path)
  const alternatives = choices.reduce((product, options) => product * options.length, 1)
  if (alternatives > MAX_ALTERNATIVES) {
    const message = `lists of header values make ${alternatives} alternatives, more than ${MAX_ALTERNATIVES}`
    reader.refuse(path, 'limit-exceeded', message, 'write several rules with shorter lists')
    return []
  }
  let matches: HttpMatch[] = [match]
  for (const options of choices) {
    matches = matches.flatMap((item) =>
      options.map((header) => ({ ...item, headers: [...item.headers, header] })),
    )
  }
  return matches
}

/** Undefined = it asks for no copies, or has a finding. */
function mirrorOf(reader: Reader, rule: PortRuleHttp, path: Path, at: MirrorPlace): Mirror | undefined {
  const { mirror, mirrorEndpoint, mirrorRatio: ratio } = rule
  for (const [field, value] of Object.entries({ mirrorEndpoint, mirrorRatio: ratio })) {
    if (value === undefined || mirror !== undefined) continue
    const message = `\`${field}\` without \`mirror\``
    reader.refuse([...path, field], 'schema-violation', message, 'write mirror: true beside it, or remove it')
  }
  if (mirror !== true) return undefined
  if (mirrorEndpoint === undefined) {
    const hint = 'write mirrorEndpoint: and the name of a service beside it'
    reader.refuse([...path, 'mirror'], 'schema-violation', '`mirror` without `mirrorEndpoint`', hint)
    return undefined
  }
  const to = mirrorTarget(reader, [...path, 'mirrorEndpoint'], { text: mirrorEndpoint, ...at })
  return to && { to, ratio: mirrorRatio(reader, [...path, 'mirrorRatio'], ratio ?? 1) }
}

/** Of the rule that an entry of `http` stands in. */
export type MirrorPlace = { namespace: string; ports: readonly Ports[] | null }

/** Matches that let requests in, and those that copy them. */
export type HttpRules = { http: HttpMatch[] | null; mirrors: { http: HttpMatch[]; mirror: Mirror }[] }

/**
 * Null = no L7 rules. An `http` list that is empty or missing enforces nothing
 * at L7 (cilium/cilium pkg/policy/l4.go: `len(rules.HTTP) > 0` makes the parser).
 */
export function httpOf(reader: Reader, rules: PortRule['rules'], path: Path, place: MirrorPlace): HttpRules {
  if (rules === undefined) return { http: null, mirrors: [] }
  const lists = Array.isArray(rules)
    ? rules.map(({ http }, index) => ({ http, at: [...path, index, 'http'] }))
    : [{ http: rules.http, at: [...path, 'http'] }]
  const all = lists.flatMap(({ http, at }) =>
    (http ?? []).map((rule, index) => ({ rule, at: [...at, index] })),
  )
  if (all.length === 0) {
    const message = 'no HTTP rules: every request is let through, of any protocol'
    reader.warn(path, message, 'list the requests to let through, or remove `rules`')
    return { http: null, mirrors: [] }
  }
  const read = all.map(({ rule, at }) => ({
    http: matchesOf(reader, rule, at),
    mirror: mirrorOf(reader, rule, at, place),
  }))
  return {
    http: read.flatMap(({ http }) => http),
    mirrors: read.flatMap(({ http, mirror }) => (mirror === undefined ? [] : [{ http, mirror }])),
  }
}
