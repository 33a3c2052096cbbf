/** A node whose releases have routes, and a reader of them that asks for everybody at every moment. */
import assert from 'node:assert/strict'
import type { Node } from '../../agent/node.ts'
import type { Manifest, RouteEntry } from '../../pipelines/contract/artifact.ts'
import type { ServicePort } from '../../pipelines/policy/route.ts'
import { Service, serviceKey } from '../../pipelines/services/model.ts'
import { routeSetFor } from '../../pipelines/tables/route-sets.ts'
import { type MemoryKernel, memoryKernel } from './memory-kernel.ts'
import { enforcingFleet, type Fleet } from './node-fleet.ts'
import { tablesOf, testElf } from './test-elf.ts'

export const port = (name: string, number = 80): ServicePort => ({ namespace: 'shop', name, port: number })

export function entry(name: string, of: number | null, clients: string | null, set: number): RouteEntry {
  return { service: { namespace: 'shop', name, port: of }, clients, set }
}

export function service(name: string, address: string): Service {
  const ports = [{ port: 80, targetPort: 8080 }]
  return Service.parse({ namespace: 'shop', name, addresses: [address], ports, selector: { app: name } })
}

type Routes = Pick<Manifest, 'services' | 'routes'>

/** By what stands for the tables: none; for everybody, for clients of a namespace, and to no service yet; others. */
const MANIFESTS: Record<string, Routes> = {
  one: { services: [], routes: [] },
  two: {
    services: [port('later'), port('cart'), port('web')],
    routes: [
      entry('cart', null, null, 0),
      entry('cart', null, 'data', 1),
      entry('web', 80, 'data', 2),
      entry('db', null, null, 3),
    ],
  },
  three: { services: [port('web')], routes: [entry('web', null, null, 3), entry('db', 80, null, 4)] },
}

export type RoutedFleet = Fleet & {
  release(number: number, name: string, routes?: Routes): Promise<void>
  /** A workload of this node with a directory below its managed cgroup. */
  addWorkload(name: string, namespace: string): void
}

/** Services `cart` and `web`, each with a workload, and an artifact without routes. */
export async function routedFleet(): Promise<RoutedFleet> {
  const fleet = await enforcingFleet()
  const cgroup = (name: string) => fleet.kernel.cgroups.set(name, BigInt(fleet.kernel.cgroups.size + 1))
  fleet.services = [service('cart', '10.96.0.1'), service('web', '10.96.0.2')]
  fleet.workloads = fleet.workloads.map((each) => ({ ...each, cgroup: each.name }))
  for (const { name } of fleet.workloads) cgroup(name)
  return Object.assign(fleet, {
    async release(number: number, name: string, routes = MANIFESTS[name]) {
      await fleet.published.release('canary', number, await fleet.artifact(name, routes))
    },
    addWorkload(name: string, namespace: string) {
      cgroup(name)
      const addresses = [`10.0.1.${fleet.kernel.cgroups.size}`]
      const added = { name, namespace, labels: { app: name }, addresses, cgroup: name, mode: 'auto' as const }
      fleet.workloads = [...fleet.workloads, added]
    },
  })
}

/** Which of the manifests the kernel routes by; undefined = nothing is active. */
export function routedBy({ content: { active, slots } }: MemoryKernel): string | undefined {
  const digest = active === null ? undefined : slots[active.slot]?.tablesDigest
  return Object.keys(MANIFESTS).find((name) => tablesOf(testElf('', name)) === digest)
}

/** As set_for() of client-route.h. */
function setFor({ content: { active, slots } }: MemoryKernel, of: number, client: number) {
  const choices = slots[active?.slot ?? -1]?.routes?.choices ?? []
  const found = (identity: number) =>
    choices.find((each) => each.service === of && each.identity === identity)
  const common = found(0)
  const own = common?.own && client !== 0 ? found(client) : undefined
  return (own ?? common)?.set ?? undefined
}

/**
 * Every client that the kernel knows finds its routes at every service that it can reach, and all backends;
 * how many times one was asked.
 */
export function checkReaders({ state: { current } }: Node, kernel: MemoryKernel, when: string): number {
  const { active, outbound, slots } = kernel.content
  if (active === null || outbound === null) return 0
  const names = new Map(current.services.map((each) => [each.number, each.service]))
  const namespaces = new Map(current.identities.map((each) => [each.number, each.namespace]))
  const { routes, services } = MANIFESTS[routedBy(kernel) ?? ''] ?? assert.fail(`${when}: other tables`)
  let asked = 0
  for (const { service: number } of Object.values(outbound.addresses)) {
    const [, name = '', of] = /^shop\/(\w+):(\d+)$/.exec(names.get(number) ?? '') ?? []
    for (const identity of [0, ...Object.values(outbound.cgroups)]) {
      const client = namespaces.get(identity) ?? null
      assert.equal(client === null, identity === 0, `${when}: a cgroup of nobody`)
      const expected = routeSetFor(routes, port(name, Number(of)), client)
      assert.equal(setFor(kernel, number, identity), expected, `${when}: shop/${name} for ${client}`)
      asked++
    }
  }
  const backends = slots[active.slot]?.routes?.backends ?? []
  const found = backends.map((number) => names.get(number ?? 0))
  assert.deepEqual(found, services.map(serviceKey), `${when}: backends`)
  return asked
}

/** The kernel of this fleet, looked into around every act from when it is told whose it is. */
export function watchedKernel({ kernel: { content, cgroups } }: Fleet) {
  let running: Node | undefined
  let asked = 0
  const look = (call: string) => {
    if (running) asked += checkReaders(running, kernel, call)
  }
  const kernel = memoryKernel({ before: look, after: look }, content)
  kernel.cgroups = cgroups
  return {
    kernel,
    asked: () => asked,
    watch(of: Node) {
      running = of
    },
  }
}
