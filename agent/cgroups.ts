/** Whose processes call: directories of workloads below the managed cgroup -> their identities. */
import type { Workload } from '../pipelines/policy/model.ts'
import type { AddressIdentity, CgroupIdentity } from './ports.ts'

type Holder = Workload & { cgroup: string }

/** Workloads of this node whose processes have a directory of their own. */
export function holdersOf(workloads: readonly Workload[], node: string): Holder[] {
  const here = (workload: Workload) => workload.node === undefined || workload.node === node
  return workloads.filter((workload): workload is Holder => workload.cgroup !== undefined && here(workload))
}

/** Directories that are not there yet have no id: a later look finds them. */
export function cgroupsOf(
  holders: readonly Holder[],
  ids: ReadonlyMap<string, bigint>,
  addresses: readonly AddressIdentity[],
): CgroupIdentity[] {
  const identities = new Map(addresses.map(({ address, identity }) => [address, identity]))
  return holders.flatMap(({ cgroup, addresses: [own = ''] }) => {
    const [id, identity] = [ids.get(cgroup), identities.get(own)]
    return id === undefined || identity === undefined ? [] : [{ id, identity }]
  })
}
