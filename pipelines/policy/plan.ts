/**
 * Plan: what one policy set in the place of another would change. Named objects are compared by what
 * they say, not by where they stand; who gets in is asked of the reference evaluator (plan-effects.ts).
 */
import { z } from 'zod'
import { canonicalJson, type Json } from '../contract/canonical-json.ts'
import type { ServiceBreaker } from './breaker.ts'
import type { Policy, PolicySet } from './model.ts'
import { Effect, effectsOf } from './plan-effects.ts'
import type { Route } from './route.ts'
import { Source } from './source.ts'

/** Changed objects and effects that a plan names; it says how many more there are. */
const MAX_NAMED = 500

export const Change = z.strictObject({
  kind: z.enum(['policy', 'route', 'breaker']),
  change: z.enum(['added', 'changed', 'removed']),
  namespace: z.string(),
  name: z.string(),
  /** The service that a route or breaker speaks for: `namespace/name`, with its port where it is for one. */
  service: z.string().nullable(),
  /** Where it stands now; of what is removed, where it stood. */
  source: Source,
})
export type Change = z.infer<typeof Change>

export const Plan = z.strictObject({
  changes: z.array(Change).max(MAX_NAMED),
  effects: z.array(Effect).max(MAX_NAMED),
  /** How many more there are of each. `probes` were not asked: there were too many. */
  unnamed: z.strictObject({ changes: z.int(), effects: z.int(), probes: z.int() }),
})
export type Plan = z.infer<typeof Plan>

/** What becomes of `before` when `after` is delivered. */
export function planOf(before: PolicySet, after: PolicySet): Plan {
  const policies = compare(before.policies, after.policies, policyKey)
  const routes = compare(before.routes, after.routes, routeKey)
  const breakers = compare(before.breakers ?? [], after.breakers ?? [], breakerKey)
  const { effects, skipped } = effectsOf(before, after, [
    ...policies.flatMap(({ old, now }) => [old, now]).filter((each) => each !== undefined),
  ])
  const changes = [
    ...policies.map(({ old, now }) => changeOf('policy', old, now)),
    ...routes.map(({ old, now }) => changeOf('route', old, now)),
    ...breakers.map(({ old, now }) => changeOf('breaker', old, now)),
  ]
  return {
    changes: changes.slice(0, MAX_NAMED),
    effects: effects.slice(0, MAX_NAMED),
    unnamed: {
      changes: Math.max(0, changes.length - MAX_NAMED),
      effects: Math.max(0, effects.length - MAX_NAMED),
      probes: skipped,
    },
  }
}

const policyKey = ({ namespace, name }: Policy): string => JSON.stringify([namespace, name])
const routeKey = ({ namespace, name, service, clients }: Route): string =>
  JSON.stringify([namespace, name, service.namespace, service.name, service.port, clients])

const breakerKey = ({ namespace, name, service }: ServiceBreaker): string =>
  JSON.stringify([namespace, name, service.name, service.port])

type Pair<T> = { old: T | undefined; now: T | undefined }

/** Objects of one name that differ. Several of one name (a file's rules) are one object in parts. */
function compare<T>(before: readonly T[], after: readonly T[], keyOf: (object: T) => string): Pair<T>[] {
  const old = byKey(before, keyOf)
  const now = byKey(after, keyOf)
  const pairs: Pair<T>[] = []
  for (const key of [...new Set([...old.keys(), ...now.keys()])].sort()) {
    const [was, is] = [old.get(key) ?? [], now.get(key) ?? []]
    for (let at = 0; at < Math.max(was.length, is.length); at++) {
      if (meaning(was[at]) !== meaning(is[at])) pairs.push({ old: was[at], now: is[at] })
    }
  }
  return pairs
}

function byKey<T>(objects: readonly T[], keyOf: (object: T) => string): Map<string, T[]> {
  const found = new Map<string, T[]>()
  for (const object of objects) {
    const key = keyOf(object)
    found.set(key, [...(found.get(key) ?? []), object])
  }
  return found
}

/** What an object says, without the places where it says so: a moved line is no change. */
function meaning(object: unknown): string {
  if (object === undefined) return ''
  const bare = JSON.stringify(object, (_, value: unknown) => (isPlace(value) ? undefined : value))
  return canonicalJson(JSON.parse(bare) as Json)
}

const isPlace = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && 'file' in value && 'line' in value && 'column' in value

function changeOf(
  kind: Change['kind'],
  old: Policy | Route | ServiceBreaker | undefined,
  now: Policy | Route | ServiceBreaker | undefined,
): Change {
  const shown = (now ?? old) as Policy | Route | ServiceBreaker
  const { namespace, name, source } = shown
  const change = old === undefined ? 'added' : now === undefined ? 'removed' : 'changed'
  return { kind, change, namespace, name, service: 'service' in shown ? serviceOf(shown) : null, source }
}

function serviceOf({ service: { namespace, name, port } }: Route | ServiceBreaker): string {
  return `${namespace}/${name}${port === null ? '' : `:${port}`}`
}
