/** Who there is: the workloads of this node's own list, and what other nodes announce of theirs. */
import { addressKey } from '../pipelines/services/nearest.ts'
import type { KnownWorkloads, PlacedWorkload } from '../pipelines/services/resolve.ts'
import type { Workload } from '../pipelines/policy/model.ts'

/** What the own list says of an address or a name wins over what another node says. */
export function knownWorkloads(
  own: readonly Workload[],
  announced: readonly PlacedWorkload[],
): KnownWorkloads {
  const taken = new Set(own.flatMap((workload) => [nameOf(workload), ...workload.addresses.map(addressKey)]))
  const free = (workload: Workload) =>
    [nameOf(workload), ...workload.addresses.map(addressKey)].every((key) => !taken.has(key))
  return { own, announced: announced.filter(free) }
}

function nameOf({ namespace, name }: Workload): string {
  return `${namespace}/${name}`
}

/** What this node says of itself: workloads that others can reach. */
export function announcedOf(own: readonly Workload[], node: string) {
  return own
    .filter((workload) => (workload.node ?? node) === node)
    .map(({ name, namespace, labels, addresses }) => ({
      name,
      namespace,
      labels,
      addresses: addresses.filter((address) => !isLoopback(address)),
    }))
    .filter(({ addresses }) => addresses.length > 0)
}

function isLoopback(address: string): boolean {
  const key = addressKey(address)
  return key.length === 8 ? key.startsWith('7f') : key === addressKey('::1')
}
