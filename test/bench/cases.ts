/**
 * The cases of the suite `datapath` as data: what stands between client and
 * server, and what each is compared with. Names are `FRONT/CONNECTIONS/BYTES`.
 */

import type { PolicySet } from '../../pipelines/policy/model.ts'
import type { ServicePort } from '../../pipelines/policy/route.ts'
import { mixedRoutes } from './routes.ts'

/** The client asks for `first`, which is served at `port`; routes are to send its requests to `target`. */
export type Asked = { first: ServicePort; target: ServicePort; port: number }
/** What a mesh is told to do with them. */
export type Says = (asked: Asked) => PolicySet

/** `bytes`: of a response's body. */
export type Lane = { front: string; connections: number; bytes: number }

export type Front = {
  /** The client is on the node `near`; on the same one, or on the other, is the server. */
  server: 'near' | 'far'
  /** On the client's node, in the order of a request's way. */
  hops: readonly ('haproxy' | 'nginx')[]
  /** With Heddle. `rerouted`: routes send requests elsewhere than `connect` did. */
  mesh?: { says: Says; rerouted: boolean }
  /** Fronts whose numbers this one's are divided by. */
  against: readonly string[]
}

/** The routes that requests ask for (rules.ts), and no more. */
const ROUTES = 10

const routed =
  (routes: number): Says =>
  ({ first, target }) => ({ policies: [], routes: mixedRoutes(routes, first, target) })

/** All that asks for a route, and nothing is done to it: what the suite `actions` divides by. */
export const someRoutes = routed(ROUTES)

export const FRONTS: Readonly<Record<string, Front>> = {
  'direct-local': { server: 'near', hops: [], against: [] },
  // The same once more: how far its ratio is from 1 is the noise in all the others.
  'direct-local-again': { server: 'near', hops: [], against: ['direct-local'] },
  'heddle-local': {
    server: 'near',
    hops: [],
    mesh: { says: someRoutes, rerouted: false },
    against: ['direct-local', 'haproxy-2'],
  },
  'haproxy-1': { server: 'near', hops: ['haproxy'], against: ['direct-local'] },
  'haproxy-2': { server: 'near', hops: ['haproxy', 'haproxy'], against: ['direct-local'] },
  'nginx-1': { server: 'near', hops: ['nginx'], against: ['direct-local'] },
  'direct-remote': { server: 'far', hops: [], against: [] },
  'heddle-remote-direct': {
    server: 'far',
    hops: [],
    // Routes ask for the relay's help where programs can't follow them, and a direct connection has none.
    mesh: { says: routed(0), rerouted: false },
    against: ['direct-remote', 'haproxy-remote'],
  },
  'heddle-remote-rerouted': {
    server: 'far',
    hops: [],
    mesh: { says: someRoutes, rerouted: true },
    against: ['direct-remote', 'haproxy-remote'],
  },
  'haproxy-remote': { server: 'far', hops: ['haproxy'], against: ['direct-remote'] },
  ...routeFronts([10, 1_000, 10_000]),
}

function routeFronts(counts: readonly number[]): Record<string, Front> {
  const nameFor = (routes: number) => `heddle-local-routes-${routes}`
  const fewest = nameFor(Math.min(...counts))
  const front = (routes: number): Front => ({
    server: 'near',
    hops: [],
    mesh: { says: routed(routes), rerouted: false },
    against: nameFor(routes) === fewest ? ['direct-local'] : ['direct-local', fewest],
  })
  return Object.fromEntries(counts.map((routes) => [nameFor(routes), front(routes)]))
}

const CONNECTIONS = [1, 16, 64, 256]
export const BODY_BYTES = [100, 1_024, 16_384, 1_048_576]
/** What the goals are about; the other sizes are for --only and --all. */
export const USUAL = { connections: 64, bytes: 1_024 }

export const nameOf = ({ front, connections, bytes }: Lane) => `${front}/${connections}/${bytes}`

const isUsual = (lane: Lane) => lane.connections === USUAL.connections && lane.bytes === USUAL.bytes
const isAboutRoutes = (lane: Lane) => lane.front.startsWith('heddle-local-routes-')

const LANES: readonly Lane[] = Object.keys(FRONTS)
  .flatMap((front) =>
    CONNECTIONS.flatMap((connections) => BODY_BYTES.map((bytes) => ({ front, connections, bytes }))),
  )
  .filter((lane) => isUsual(lane) || !isAboutRoutes(lane))

export type Choice = { only: RegExp | undefined; all: boolean; mesh: boolean }

/** Names of cases that were asked for and can't be measured -> why. */
type Absent = Record<string, string>

/** The lanes of a run, in the order of the table. Throws when nothing is left to measure. */
export function choose({ only, all, mesh }: Choice): { lanes: Lane[]; absent: Absent } {
  const asked = LANES.filter((lane) => (only === undefined ? all || isUsual(lane) : only.test(nameOf(lane))))
  const lanes = asked.filter((lane) => whyAbsent(lane, mesh) === undefined)
  const absent = Object.fromEntries(
    asked.flatMap((lane) => {
      const why = whyAbsent(lane, mesh)
      return why === undefined ? [] : [[nameOf(lane), why]]
    }),
  )
  if (lanes.length > 0) return { lanes, absent }
  const reasons = Object.entries(absent).map(([name, why]) => `${name}: ${why}`)
  if (reasons.length > 0) throw new Error(`nothing to measure:\n${reasons.join('\n')}`)
  throw new Error(
    `no case matches ${only}; cases are FRONT/CONNECTIONS/BYTES: ${LANES.map(nameOf).join(' ')}`,
  )
}

function whyAbsent({ front }: Lane, mesh: boolean): string | undefined {
  return FRONTS[front]?.mesh !== undefined && !mesh ? 'there is no mesh to start' : undefined
}

/** Names of the cases of the same size that this one is compared with. */
export function baselinesOf(lane: Lane): string[] {
  return (FRONTS[lane.front]?.against ?? []).map((front) => nameOf({ ...lane, front }))
}
