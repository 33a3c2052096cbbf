/** `rules` of an HTTPRoute: checks that go across a rule's parts, and the rule that it is in the model. */
import type { Backend, Filter, RouteRule } from '../../policy/route.ts'
import type { Reader } from '../reader.ts'
import type { Path } from '../source-node.ts'
import { namesHeader } from '../routes/header-fields.ts'
import { type Asking, backendServiceOf, type References } from '../routes/references.ts'
import { retryOf, timeoutsOf } from '../routes/retries.ts'
import { filtersOf } from './filters.ts'
import { matchOf } from './matches.ts'
import { Match, type Rule } from './schema.ts'

/** Matches of all rules of a route (HTTPRouteSpec). */
const MAX_MATCHES = 128

function backendsOf(reader: Reader, rule: Rule, path: Path, to: Reach): Backend[] {
  return rule.backendRefs.map((ref, index) => {
    const here = [...path, 'backendRefs', index]
    const filters = filtersOf(reader, ref.filters, [...here, 'filters'])
    if (ref.group === '' && ref.kind === 'Service' && ref.port === undefined) {
      const message = `the port of Service \`${ref.name}\` is missing`
      reader.refuse(here, 'schema-violation', message, 'write port: with its number')
    }
    const found = backendServiceOf(ref, to.asking, to.references)
    if ('name' in found) return { service: found, weight: ref.weight, filters }
    // To the letter: such a route is accepted, and this share of its requests is answered with 500.
    const message = `${found.message}: its requests are answered with 500 (${found.reason})`
    reader.warn([...here, 'name'], message, found.hint)
    return { service: null, weight: ref.weight, filters }
  })
}

/** Where a rule's references start, and what they may meet. */
export type Reach = { asking: Asking; references: References }

/** The response of a redirect is made here: only its Location makes it one. */
function checkLocation(reader: Reader, filters: readonly Filter[], path: Path): void {
  if (!filters.some(({ kind }) => kind === 'redirect')) return
  if (!filters.some((filter) => namesHeader(filter, 'location'))) return
  const message = 'the Location of a redirect cannot be changed by ResponseHeaderModifier'
  reader.refuse(
    path,
    'unsupported-feature',
    message,
    'write scheme, hostname, port and path in requestRedirect',
  )
}

const replacesPrefix = (filter: Filter) =>
  (filter.kind === 'redirect' || filter.kind === 'rewrite') && filter.path?.kind === 'prefix'

function checkTogether(reader: Reader, rule: RouteRule, path: Path): void {
  if (rule.backends.length > 0 && rule.filters.some(({ kind }) => kind === 'redirect')) {
    const message = 'RequestRedirect cannot stand beside backendRefs'
    const hint = 'remove the backendRefs: no request of this rule would reach them'
    reader.refuse([...path, 'backendRefs'], 'schema-violation', message, hint)
  }
  const filters = [...rule.filters, ...rule.backends.flatMap((backend) => backend.filters)]
  checkLocation(reader, rule.filters, [...path, 'filters'])
  for (const [index, backend] of rule.backends.entries()) {
    checkLocation(reader, [...rule.filters, ...backend.filters], [...path, 'backendRefs', index, 'filters'])
  }
  const [match, second] = rule.matches
  if (filters.some(replacesPrefix) && (second !== undefined || match?.path.kind !== 'prefix')) {
    const message = 'replacePrefixMatch needs exactly one match, by PathPrefix'
    reader.refuse([...path, 'matches'], 'schema-violation', message, 'write a rule for each prefix')
  }
}

function timesOf(reader: Reader, { timeouts, retry }: Rule, path: Path) {
  const times = { request: timeouts.request, each: timeouts.backendRequest }
  const [requestTimeout, backendTimeout] = timeoutsOf(reader, times, [...path, 'timeouts'], 'backendRequest')
  const again = retry === undefined ? {} : { retry: retryOf(reader, retry, [...path, 'retry']) }
  return { requestTimeout, backendTimeout, ...again }
}

function ruleOf(reader: Reader, rule: Rule, path: Path, reach: Reach): RouteRule {
  const matches = rule.matches.length === 0 ? [Match.parse({})] : rule.matches
  const made: RouteRule = {
    source: reader.place(path),
    ...(rule.name === undefined ? {} : { name: rule.name }),
    matches: matches.map((match, index) => matchOf(reader, match, [...path, 'matches', index])),
    filters: filtersOf(reader, rule.filters, [...path, 'filters']),
    backends: backendsOf(reader, rule, path, reach),
    ...timesOf(reader, rule, path),
  }
  checkTogether(reader, made, path)
  return made
}

export function rulesOf(reader: Reader, rules: Rule[], reach: Reach): RouteRule[] {
  const path = ['spec', 'rules']
  const names = rules.map(({ name }) => name)
  for (const [index, name] of names.entries()) {
    if (name === undefined || names.indexOf(name) === index) continue
    const message = `a second rule with the name \`${name}\``
    reader.refuse([...path, index, 'name'], 'schema-violation', message, 'give it another name')
  }
  const made = rules.map((rule, index) => ruleOf(reader, rule, [...path, index], reach))
  const matches = made.reduce((sum, rule) => sum + rule.matches.length, 0)
  if (matches > MAX_MATCHES) {
    const message = `${matches} matches in one route, more than ${MAX_MATCHES}`
    reader.refuse(path, 'limit-exceeded', message, 'write several routes')
  }
  return made
}
