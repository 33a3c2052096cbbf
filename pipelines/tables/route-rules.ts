/** Rules as the tables have them: backends by weight, each with what its filters come to. */
import { Failure } from '../contract/failures.ts'
import { utf8 } from '../policy/http-match.ts'
import type { Candidate } from '../policy/route-precedence.ts'
import type { Filter, RouteRule, ServicePort } from '../policy/route.ts'
import { at } from './blocks.ts'
import {
  ROUTE_BACKENDS_LOG2,
  ROUTE_FAST,
  ROUTE_MAX_NAMES,
  ROUTE_MAX_TEXT,
  ROUTE_TEXT,
  ROUTE_TIMEOUT,
} from './layout.ts'
import { type Changes, changesOf, type HeadEdit } from './route-edits.ts'

const MAX_BACKENDS = 1 << ROUTE_BACKENDS_LOG2

export type TableBackend = Changes & { readonly weight: number; readonly service: ServicePort | null }

export type TableRule = {
  /** enum heddle_route_reason. */
  readonly reason: number
  /** None of weight 0. */
  readonly backends: readonly TableBackend[]
  readonly requestTimeout: number
  readonly backendTimeout: number
}

const NO_CHANGES: Changes = { redirect: null, request: null, response: null }

function backendsOf(candidate: Candidate, service: { namespace: string; name: string }): TableBackend[] {
  const { rule } = candidate
  const weighted = rule.backends.filter(({ weight }) => weight > 0)
  if (weighted.length > MAX_BACKENDS)
    throw new Failure('limit-exceeded', `${at(rule.source)}: a rule has at most ${MAX_BACKENDS} backends`)
  // A redirect needs no backend.
  if (weighted.length === 0) {
    const changes = changesOf(candidate, rule.filters, service)
    return changes.redirect === null ? [] : [{ ...changes, weight: 1, service: null }]
  }
  return weighted.map((backend) => ({
    weight: backend.weight,
    service: backend.service,
    ...(backend.service === null
      ? NO_CHANGES
      : changesOf(candidate, [...rule.filters, ...backend.filters], service)),
  }))
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

export function tableRule(candidate: Candidate, service: { namespace: string; name: string }): TableRule {
  const { requestTimeout, backendTimeout }: RouteRule = candidate.rule
  const backends = backendsOf(candidate, service)
  // Programs have no clock that would end a request.
  const timed = requestTimeout > 0 || backendTimeout > 0
  const reason = timed ? ROUTE_TIMEOUT : backends.some(isTooMuch) ? ROUTE_TEXT : ROUTE_FAST
  return { reason, backends, requestTimeout, backendTimeout }
}
