/** `rules` of an HTTPRoute: checks that go across a rule's parts, and the rule that it is in the model. */
import {
  type Backend,
  type Filter,
  MAX_BACKOFF_MS,
  MAX_RETRIES,
  type Retry,
  type RouteRule,
} from '../../policy/route.ts'
import type { Reader } from '../reader.ts'
import type { Path } from '../source-node.ts'
import { millisecondsOf } from '../durations.ts'
import { filtersOf } from './filters.ts'
import { matchOf } from './matches.ts'
import { type Asking, backendServiceOf, type References } from './references.ts'
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
  const named = filters
    .filter((filter) => filter.kind === 'response-headers')
    .flatMap(({ set, add, remove }) => [...[...set, ...add].map(({ name }) => name), ...remove])
  if (!named.some((name) => name.toLowerCase() === 'location')) return
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

function timeoutsOf(reader: Reader, { timeouts }: Rule, path: Path): [request: number, backend: number] {
  const request = millisecondsOf(timeouts.request ?? '0s')
  const backend = millisecondsOf(timeouts.backendRequest ?? '0s')
  if (timeouts.request !== undefined && request > 0 && backend > request) {
    const message = 'backendRequest is longer than request'
    const hint = 'make it at most as long: the request includes it'
    reader.refuse([...path, 'timeouts', 'backendRequest'], 'schema-violation', message, hint)
  }
  return [request, backend]
}

/** Where nothing is written (both are ours to choose): GEP-1731. */
const USUAL_RETRIES = 2
const USUAL_BACKOFF = '25ms'

/** Bounded: every retry is load on servers that fail, and all waiting is the client's. */
function retryOf(reader: Reader, { retry }: Rule, path: Path): { retry?: Retry } {
  if (retry === undefined) return {}
  const { codes, attempts = USUAL_RETRIES } = retry
  const backoff = millisecondsOf(retry.backoff ?? USUAL_BACKOFF)
  const here = [...path, 'retry']
  if (attempts > MAX_RETRIES) {
    const message = `${attempts} retries of one request, more than ${MAX_RETRIES}`
    reader.refuse([...here, 'attempts'], 'limit-exceeded', message, `write at most ${MAX_RETRIES}`)
  }
  if (backoff > MAX_BACKOFF_MS) {
    const message = `a backoff of ${retry.backoff}, more than ${MAX_BACKOFF_MS / 1000}s`
    reader.refuse([...here, 'backoff'], 'limit-exceeded', message, `write at most ${MAX_BACKOFF_MS / 1000}s`)
  }
  for (const [index, code] of codes.entries()) {
    if (codes.indexOf(code) === index) continue
    const message = `\`${code}\` stands twice in one list`
    reader.refuse([...here, 'codes', index], 'schema-violation', message, 'remove one')
  }
  return { retry: { codes, attempts, backoff } }
}

function ruleOf(reader: Reader, rule: Rule, path: Path, reach: Reach): RouteRule {
  const [requestTimeout, backendTimeout] = timeoutsOf(reader, rule, path)
  const matches = rule.matches.length === 0 ? [Match.parse({})] : rule.matches
  const made: RouteRule = {
    source: reader.place(path),
    ...(rule.name === undefined ? {} : { name: rule.name }),
    matches: matches.map((match, index) => matchOf(reader, match, [...path, 'matches', index])),
    filters: filtersOf(reader, rule.filters, [...path, 'filters']),
    backends: backendsOf(reader, rule, path, reach),
    requestTimeout,
    backendTimeout,
    ...retryOf(reader, rule, path),
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
