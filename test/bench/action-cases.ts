/**
 * The cases of the suite `actions` as data: what is done to every request of a client whose server is on its
 * own node, and how fast that is at least, as a part of the same way with nothing done (`heddle-local` of the
 * suite `datapath`). To add one: an action, and a case that says what it is divided by.
 */
import type { Limit } from '../../pipelines/policy/limit.ts'
import type { LimitRule, Policy } from '../../pipelines/policy/model.ts'
import type { Route } from '../../pipelines/policy/route.ts'
import type { ServiceBreaker } from '../../pipelines/policy/breaker.ts'
import { type Asked, type Front, type Says, someRoutes } from './cases.ts'
import type { Load } from './load.ts'
import { matcherRules } from './matcher-rules.ts'

/** How its requests differ from the baseline's; `status` is what they are answered with. */
type Manner = Partial<Pick<Load, 'status' | 'threads' | 'clients'>>
type Action = { says: Says; manner?: Manner }

const SOURCE = { file: 'actions.yaml', line: 1, column: 1 }
const ALL = { source: SOURCE, headers: [] }

/** The baseline's routes, each rule of them changed. */
const changedRoutes =
  (change: Partial<Route['rules'][number]>): Says =>
  (asked) => ({
    policies: [],
    routes: someRoutes(asked).routes.map((route) => ({
      ...route,
      rules: route.rules.map((rule) => ({ ...rule, ...change })),
    })),
  })

/** The baseline's routes, and a policy in front of the server. */
const withPolicy =
  (policyOf: (asked: Asked) => Policy): Says =>
  (asked) => ({ ...someRoutes(asked), policies: [policyOf(asked)] })

/** It allows everything, but for what it does. */
function policyWith({ port }: Asked, acts: (rule: Policy['deny'][number]) => Partial<Policy>): Policy {
  const ports = [{ protocol: 'TCP' as const, first: port, last: port }]
  const rule = { source: SOURCE, peers: null, ports, http: [ALL] }
  const subject = {
    namespaces: ['bench'],
    requirements: [{ key: 'app', operator: 'In' as const, values: ['server'] }],
  }
  const named = { name: 'actions', namespace: 'bench', source: SOURCE, subject }
  return { ...named, unparsed: 'refuse', selects: true, allow: [rule], deny: [], ...acts(rule) }
}

/** A million in a millisecond: no client of this machine comes too often. */
const ENDLESS: Limit = { bucket: 'token', rate: 1_000_000, per: 1, burst: 1_000_000, key: [] }
/** One in a day, which the first request of a run takes. */
const SPENT: Limit = { bucket: 'token', rate: 1, per: 86_400_000, burst: 1, key: [] }
/** As many as connections, from two CPUs: a bucket of all is written by both of them. */
const MANY: Manner = { threads: 2, clients: 64 }

const limited = (limit: Limit): Says =>
  withPolicy((asked) =>
    policyWith(asked, (rule) => {
      const rules: LimitRule[] = [{ ...rule, http: [ALL], name: 'bench', limit }]
      return { limits: rules }
    }),
  )
const limitedBy = (header: string) => limited({ ...ENDLESS, key: [{ kind: 'header', name: header }] })

/** As all of them together, and far from opening. */
const breakerOf = ({ target }: Asked): ServiceBreaker => ({
  ...{ name: 'actions', namespace: target.namespace, source: SOURCE, service: target },
  breaker: {
    consecutiveErrors: 1_000,
    errorRate: { percent: 100, window: 1_000, minimumVolume: 100_000 },
    maxInFlight: 1_000_000,
    ...{ open: 1_000, probes: 1 },
  },
})

const FIELDS = { set: [{ name: 'X-Bench', value: 'on-its-way' }], add: [], remove: [] }

export const BASELINE = 'heddle-local'
export const ACTIONS: Readonly<Record<string, Action>> = {
  [BASELINE]: { says: someRoutes },
  'heddle-local-again': { says: someRoutes },
  'header-set': {
    says: changedRoutes({
      filters: [
        { kind: 'request-headers', ...FIELDS },
        { kind: 'response-headers', ...FIELDS },
      ],
    }),
  },
  'rate-limit': { says: limited(ENDLESS) },
  // Both read one header that is a key: of all requests the same, or one of 64.
  'limit-one-key': { says: limitedBy('x-tenant'), manner: MANY },
  'limit-64-keys': { says: limitedBy('x-client'), manner: MANY },
  deny: {
    says: withPolicy((asked) => policyWith(asked, (rule) => ({ deny: [rule] }))),
    manner: { status: 403 },
  },
  redirect: {
    says: changedRoutes({
      filters: [{ kind: 'redirect', host: 'moved.bench.internal', status: 302 }],
      backends: [],
    }),
    manner: { status: 302 },
  },
  limited: { says: limited(SPENT), manner: { status: 429 } },
  respond: {
    says: changedRoutes({
      filters: [{ kind: 'respond', status: 200, contentType: 'text/plain', body: 'r'.repeat(1_024) }],
      backends: [],
    }),
  },
  breaker: {
    says: (asked) => ({ ...someRoutes(asked), breakers: [breakerOf(asked)] }),
  },
  audit: {
    says: withPolicy((asked) =>
      policyWith(asked, (rule) => ({ audits: [{ ...rule, http: [ALL], name: 'bench' }] })),
    ),
  },
  'rules-1000': { says: withPolicy(({ port }) => matcherRules(1_000, port)) },
}

/** `goal`: the ratio of requests a second, at least; none = what it says is how far noise goes. */
export type ActionCase = { name: string; action: string; against: string; goal?: number }

export const ACTION_CASES: readonly ActionCase[] = [
  { name: 'noise', action: 'heddle-local-again', against: BASELINE },
  { name: 'header-set', action: 'header-set', against: BASELINE, goal: 0.9 },
  { name: 'rate-limit', action: 'rate-limit', against: BASELINE, goal: 0.95 },
  { name: 'limit-one-key/64-keys', action: 'limit-one-key', against: 'limit-64-keys', goal: 0.9 },
  { name: 'deny', action: 'deny', against: BASELINE, goal: 1 },
  { name: 'redirect', action: 'redirect', against: BASELINE, goal: 1 },
  { name: 'limited', action: 'limited', against: BASELINE, goal: 1 },
  { name: 'respond', action: 'respond', against: BASELINE, goal: 1 },
  { name: 'breaker', action: 'breaker', against: BASELINE, goal: 0.97 },
  { name: 'audit', action: 'audit', against: BASELINE, goal: 0.95 },
  { name: 'rules-1000', action: 'rules-1000', against: BASELINE, goal: 0.9 },
]

/** The cases that match, noise always among them, and the actions that they need. Throws when none matches. */
export function chooseActions(only: RegExp | undefined): { cases: ActionCase[]; actions: string[] } {
  const wanted = ACTION_CASES.filter(({ name }) => only?.test(name) ?? true)
  if (wanted.length === 0)
    throw new Error(`no case matches ${only}; cases are ${ACTION_CASES.map(({ name }) => name).join(' ')}`)
  const cases = ACTION_CASES.filter((each) => wanted.includes(each) || each.goal === undefined)
  return { cases, actions: [...new Set(cases.flatMap(({ action, against }) => [against, action]))] }
}

function actionOf(name: string): Action {
  const action = ACTIONS[name]
  if (action === undefined) throw new Error(`no action ${name}`)
  return action
}

export const mannerOf = (name: string): Manner => actionOf(name).manner ?? {}

/** Its node: client and server on one, and nothing between but Heddle. */
export function frontOf(name: string): Front {
  return { server: 'near', hops: [], mesh: { says: actionOf(name).says, rerouted: false }, against: [] }
}
