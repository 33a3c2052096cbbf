/** Which sockets of the namespace are managed: by cgroup and by address. */
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Workload } from '../../pipelines/policy/model.ts'
import { addressBytes, isLoopback, LOOPBACK_NAMES } from '../adapters/address-bytes.ts'

/** Cgroups below a node's that are looked into: past it, sockets count as unmanaged and are reported. */
const MAX_CGROUPS = 65_536

/** Ids of a cgroup (v2) and all below it, as the kernel names them on sockets: the directory's inode. */
export function cgroupIds(root: string): Set<bigint> {
  const ids = new Set<bigint>()
  const waiting = [root]
  for (let path = waiting.pop(); path !== undefined && ids.size < MAX_CGROUPS; path = waiting.pop())
    try {
      ids.add(statSync(path, { bigint: true }).ino)
      for (const entry of readdirSync(path, { withFileTypes: true }))
        if (entry.isDirectory()) waiting.push(join(path, entry.name))
    } catch (error) {
      // A cgroup that ended while we looked has no sockets.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    }
  return ids
}

export function addressKey(address: Uint8Array): string {
  return Buffer.from(address).toString('hex')
}

/** Addresses of all workloads, as keys. */
export function addressKeys(workloads: readonly Workload[]): Set<string> {
  return new Set(workloads.flatMap(({ addresses }) => addresses.map((a) => addressKey(addressBytes(a)))))
}

/** Does policy reach this address? All but loopback where no workload is declared on it (context.h). */
export function isManaged(declared: ReadonlySet<string>, address: Uint8Array): boolean {
  return !isLoopback(address) || [address, ...LOOPBACK_NAMES].some((name) => declared.has(addressKey(name)))
}
