/** Identify: workloads of this node -> identities and addresses in the kernel. Needs no release and no network. */
import { readManifest } from './cache.ts'
import { cgroupsOf, holdersOf } from './cgroups.ts'
import { assign, rowsFor } from './identities.ts'
import { knownWorkloads } from './known-workloads.ts'
import type { Node } from './node.ts'
import type { AddressIdentity } from './ports.ts'
import { publishRoutes } from './routes.ts'
import { isForeign } from './slots.ts'
import type { IdentityEntry } from './state.ts'

export async function identify(node: Node): Promise<void> {
  const { current } = node.state
  const { own, announced } = knownWorkloads(await node.workloads.list(), await node.registry.list())
  const { identities, addresses } = assign(current, [...own, ...announced])
  const holders = holdersOf(own, node.name)
  const ids = await node.kernel.outbound.cgroupIds(holders.map(({ cgroup }) => cgroup))
  const cgroups = cgroupsOf(holders, ids, addresses)
  const wish = JSON.stringify([identities, addresses, cgroups.map(({ id, identity }) => [`${id}`, identity])])
  if (wish === node.published) return
  const numbers = [...new Set(addresses.map(({ identity }) => identity))]
  // Before the kernel hears of it: after a crash every number that it may name keeps its meaning.
  await remember(node, identities, [...new Set([...current.published, ...numbers])])
  const facts = await node.kernel.inspect()
  if (facts === null || isForeign(node, facts)) return
  await publish(node, addresses, new Set(facts.slots.map(({ slot }) => slot)))
  // A process is known as a client by its cgroup: not before its routes are there.
  await publishRoutes(node)
  await node.kernel.outbound.setCgroups(cgroups)
  await remember(node, identities, numbers)
  node.published = wish
}

/** Rows first, then the addresses that lead to them: no address ever names an identity without rows. */
async function publish(node: Node, addresses: AddressIdentity[], live: Set<number>): Promise<void> {
  const { slots, identities } = node.state.current
  for (const [slot, { artifact }] of Object.entries(slots)) {
    if (!live.has(Number(slot))) continue
    const { blocks } = await readManifest(node.disk, artifact)
    await node.kernel.setRows(Number(slot), rowsFor(blocks, identities))
  }
  await node.kernel.setAddresses(addresses)
}

async function remember(node: Node, identities: IdentityEntry[], published: number[]): Promise<void> {
  const { current } = node.state
  if (same(identities, current.identities) && same(published, current.published)) return
  await node.state.update({ identities, published })
}

function same(left: unknown, right: unknown): boolean {
  return JSON.stringify(left) === JSON.stringify(right)
}
