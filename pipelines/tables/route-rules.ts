/** Rules as the tables have them: backends by weight, each with what its filters come to. */
import { Failure } from '../contract/failures.ts'
import { utf8 } from '../bytes.ts'
import { aborted } from '../policy/route-evaluate.ts'
import { MAX_WEIGHTS, sharesOf } from '../policy/route-fault.ts'
import type { Candidate } from '../policy/route-precedence.ts'
import type { Filter, RouteRule, ServicePort } from '../policy/route.ts'
import { at } from './blocks.ts'
import {
  CORS_FILTER,
  ROUTE_BACKENDS_LOG2,
  ROUTE_CORS,
  ROUTE_FAST,
  ROUTE_FAULT,
  ROUTE_MAX_NAMES,
  ROUTE_MAX_TEXT,
  ROUTE_RETRY,
  ROUTE_TEXT,
  ROUTE_TIMEOUT,
} from './layout.ts'
import { type Changes, changesOf, type HeadEdit, respondReply } from './route-edits.ts'
import { type RelayPart, relayPart } from './route-relay.ts'

const MAX_BACKENDS = 1 << ROUTE_BACKENDS_LOG2

export type TableBackend = Changes & {
  readonly weight: number
  readonly service: ServicePort | null
  /** null = nothing of it is the relay's alone. */
  readonly relay: RelayPart | null
}

export type TableRule = {
  /** enum heddle_route_reason. */
  readonly reason: number
  /** None of weight 0. */
  readonly backends: readonly TableBackend[]
  readonly requestTimeout: number
  readonly backendTimeout: number
}

const NOTHING = { redirect: null, request: null, response: null, relay: null } as const

function backendsOf(candidate: Candidate, service: { namespace: string; name: string }): TableBackend[] {
  const { rule } = candidate
  const shares = sharesOf(rule)
  if (shares.length > MAX_BACKENDS)
    throw new Failure('limit-exceeded', `${at(rule.source)}: a rule has at most ${MAX_BACKENDS} backends`)
  if (shares.reduce((sum, { weight }) => sum + weight, 0) > MAX_WEIGHTS) {
    const message = 'weights beside an abort come to more than can be added up: make them smaller'
    throw new Failure('limit-exceeded', `${at(rule.source)}: ${message}`)
  }
  return shares.map(({ weight, leads }) => {
    if (leads === 'abort')
      return { ...NOTHING, redirect: respondReply(aborted(rule), rule.source), weight, service: null }
    if (leads?.service === null) return { ...NOTHING, weight, service: null }
    const filters = [...rule.filters, ...(leads?.filters ?? [])]
    const changes = changesOf(candidate, filters, service)
    // Nowhere: 500.
    if (leads === undefined && changes.redirect === null) return { ...NOTHING, weight, service: null }
    return { ...changes, relay: relayPart(rule, filters), weight, service: leads?.service ?? null }
  })
}

/** Is there anything that the kernel does not write or leave out in one go? */
function isTooMuch({ redirect, request, response }: Changes): boolean {
  const edits = [request, response].filter((edit): edit is HeadEdit => edit !== null)
  const texts = [...edits.flatMap(({ target, host, lines }) => [target, host, lines])]
  if (redirect !== null)
    texts.push(redirect.before, redirect.name, redirect.port, redirect.target, redirect.after)
  return (
    edits.some(({ names }) => names.length > ROUTE_MAX_NAMES) ||
    texts.some((text) => utf8(text).length > ROUTE_MAX_TEXT)
  )
}

function replacesPrefix(filter: Filter): boolean {
  return (filter.kind === 'redirect' || filter.kind === 'rewrite') && filter.path?.kind === 'prefix'
}

/** What a rule's records can differ by: the length of the prefix that its matches leave to replace. */
export function variantOf({ rule, match }: Candidate): string {
  const filters = [...rule.filters, ...rule.backends.flatMap((backend) => backend.filters)]
  return filters.some(replacesPrefix) ? match.path.value : ''
}

function reasonOf(
  { requestTimeout, backendTimeout, idleTimeout = 0, retry, fault }: RouteRule,
  backends: TableBackend[],
): number {
  // Programs have no clock that would end a request.
  if (requestTimeout > 0 || backendTimeout > 0 || idleTimeout > 0) return ROUTE_TIMEOUT
  // Nor do they keep a request until its response is known.
  if (retry !== undefined) return ROUTE_RETRY
  if (backends.some(({ relay }) => ((relay?.cors ?? 0) & CORS_FILTER) !== 0)) return ROUTE_CORS
  // And nothing holds a request in the kernel.
  if ((fault?.delay?.percent ?? 0) > 0) return ROUTE_FAULT
  return backends.some(isTooMuch) ? ROUTE_TEXT : ROUTE_FAST
}

export function tableRule(candidate: Candidate, service: { namespace: string; name: string }): TableRule {
  const { requestTimeout, backendTimeout } = candidate.rule
  const backends = backendsOf(candidate, service)
  return { reason: reasonOf(candidate.rule, backends), backends, requestTimeout, backendTimeout }
}
