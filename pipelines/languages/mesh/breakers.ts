/** `breaker` of a policy of a service → the model's. */
import type { Breaker, ServiceBreaker } from '../../policy/breaker.ts'
import type { Route } from '../../policy/route.ts'
import { millisecondsOf } from '../durations.ts'
import { type Finding, problem } from '../finding.ts'
import type { Reader } from '../reader.ts'
import type { Path } from '../source-node.ts'
import type { MeshBreaker } from './breaker-schema.ts'

const AT = ['spec', 'breaker']
const OPEN_MS = 30_000
const PROBES = 1
/** Milliseconds, from and to, and how people write them: as the model bounds them. */
const OPEN = { least: 100, most: 3_600_000, text: 'from 100ms to 1h' }
const WINDOW = { least: 1_000, most: 600_000, text: 'from 1s to 10m' }

function durationOf(reader: Reader, text: string, { at, bounds }: { at: Path; bounds: typeof OPEN }): number {
  const ms = millisecondsOf(text)
  if (ms < bounds.least || ms > bounds.most) {
    const message = `\`${text}\` is too ${ms < bounds.least ? 'short' : 'long'}`
    reader.refuse(at, 'schema-violation', message, `write a duration ${bounds.text}`)
  }
  return ms
}

/** What opens it, and what comes of that, belong together; and something has to be bounded. */
function checkTogether(reader: Reader, written: MeshBreaker): void {
  const { consecutiveErrors, errorRate, maxInFlight, maxPending } = written
  if (consecutiveErrors !== undefined || errorRate !== undefined) return
  const hint = 'write consecutiveErrors or errorRate'
  if (maxInFlight === undefined && maxPending === undefined)
    reader.refuse(
      AT,
      'schema-violation',
      'a breaker that refuses nothing',
      `${hint}, maxInFlight or maxPending`,
    )
  for (const field of ['open', 'probes'] as const)
    if (written[field] !== undefined) {
      const message = `\`${field}\` of a breaker that nothing opens`
      reader.refuse([...AT, field], 'schema-violation', message, `${hint}, or remove it`)
    }
}

/** It is everybody's who calls the service: nobody else may have it refuse requests. */
function checkOwner(reader: Reader, namespace: string, service: Route['service']): void {
  if (service.namespace === namespace) return
  const message = `a breaker of ${service.namespace}/${service.name}, a Service of another namespace`
  reader.refuse(AT, 'tenancy-violation', message, `write it in a policy of namespace ${service.namespace}`)
}

/** `service`: what the policy is about. */
export function breakerOf(
  reader: Reader,
  written: MeshBreaker,
  { name, namespace, service }: { name: string; namespace: string; service: Route['service'] },
): ServiceBreaker {
  checkTogether(reader, written)
  checkOwner(reader, namespace, service)
  const { errorRate, open, probes = PROBES, ...bounds } = written
  const rate = errorRate && {
    ...errorRate,
    window: durationOf(reader, errorRate.window, { at: [...AT, 'errorRate', 'window'], bounds: WINDOW }),
  }
  const breaker: Breaker = {
    ...bounds,
    ...(rate && { errorRate: rate }),
    open: open === undefined ? OPEN_MS : durationOf(reader, open, { at: [...AT, 'open'], bounds: OPEN }),
    probes,
  }
  return { name, namespace, source: reader.place(AT), service, breaker }
}

/** A service's port has one. */
export function secondBreakers(breakers: readonly ServiceBreaker[]): Finding[] {
  const first = new Map<string, ServiceBreaker>()
  return breakers.flatMap((each) => {
    const { namespace, name, port } = each.service
    const key = `${namespace}/${name}${port === null ? '' : `:${port}`}`
    const known = first.get(key)
    if (known === undefined) first.set(key, each)
    if (known === undefined) return []
    const message = `the breaker of ${key} is already at ${known.source.file}:${known.source.line}`
    return [problem(each.source, 'duplicate-policy', message, 'remove one, or write which port each is for')]
  })
}
