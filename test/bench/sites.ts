/**
 * The ground of the suite `datapath`: every front has a node of its own, `near`,
 * where its client is, and where the server is elsewhere a second one, `far`, at
 * the other end of a veth pair. Nothing of one front is in another's namespaces.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Foundation } from '../../infra/local/foundation.ts'
import type { Host } from '../../infra/local/network.ts'
import { perform } from '../../infra/local/perform.ts'
import type { Front } from './cases.ts'
import type { Pinning } from './machine.ts'

/** A node as one front sees it. Applications are in `managed`, proxies and relays in `between`, beside it. */
export type Node = { host: Host; dir: string; managed: string; between: string }

/**
 * `cgroup` holds all of a front, `load`, inside `near.managed`, the client; `near` and `far` are the same
 * node where client and server are on one.
 */
export type Site = {
  name: string
  front: Front
  near: Node
  far: Node
  cgroup: string
  load: string
  cpus: Pinning
}

type Fronts = Readonly<Record<string, Front>>

/** The direct wire between two nodes: beside the stack's network (10.77), without its bridge. */
const wireOf = (namespace: string, end: 1 | 2): Host => ({
  namespace,
  address4: `10.78.0.${end}`,
  address6: `fd78::${end}`,
})

/** Namespaces that the fronts need in all. */
export function nodesFor(fronts: Fronts): number {
  return Object.values(fronts).reduce((sum, front) => sum + (isRemote(front) ? 2 : 1), 0)
}

const isRemote = ({ server }: Front) => server === 'far'

/** One site a front. The foundation's end takes all of it down: a veth pair goes with its namespaces. */
export function laySites(stack: Foundation, fronts: Fronts, cpus: Pinning): Site[] {
  const namespaces = stack.nodes.map(({ namespace }) => namespace)
  return Object.entries(fronts).map(([name, front]) => {
    const nearby = takeOne(namespaces, name)
    const remote = isRemote(front) ? takeOne(namespaces, name) : undefined
    if (remote !== undefined) layWire(nearby, remote)
    const cgroup = join(stack.cgroup, name)
    const node = (which: string, host: Host): Node => {
      const folders = { dir: join(stack.dir, 'nodes', name, which), managed: join(cgroup, which, 'managed') }
      const made = { ...folders, between: join(cgroup, which, 'between') }
      for (const folder of Object.values(made)) mkdirSync(folder, { recursive: true })
      return { host, ...made }
    }
    const own = stack.nodes.find(({ namespace }) => namespace === nearby) as Host
    const near = node('near', remote === undefined ? own : wireOf(nearby, 1))
    const far = remote === undefined ? near : node('far', wireOf(remote, 2))
    const load = join(near.managed, 'load')
    mkdirSync(load)
    return { name, front, near, far, cgroup, load, cpus }
  })
}

function takeOne(namespaces: string[], front: string): string {
  const namespace = namespaces.shift()
  if (namespace === undefined) throw new Error(`no node for ${front}`)
  return namespace
}

/** nodad: an address in a namespace of ours is nobody else's, and waiting for proof costs a second. */
function layWire(near: string, far: string): void {
  perform(['ip', '-n', near, 'link', 'add', 'wire', 'type', 'veth', 'peer', 'name', 'wire', 'netns', far])
  for (const { namespace, address4, address6 } of [wireOf(near, 1), wireOf(far, 2)]) {
    perform(['ip', '-n', namespace, 'addr', 'add', `${address4}/24`, 'dev', 'wire'])
    perform(['ip', '-n', namespace, 'addr', 'add', `${address6}/64`, 'dev', 'wire', 'nodad'])
    perform(['ip', '-n', namespace, 'link', 'set', 'wire', 'up'])
  }
}
