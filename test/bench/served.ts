/** Who served the requests of one node's clients, by the kernel's own counters and by its relay's. */
import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { BpfMap, u32 } from '../../agent/adapters/libbpf.ts'
import { type LiveMap, Pins } from '../../agent/adapters/pins.ts'
import { askRelay } from '../../agent/relay/stats.ts'
import { ClientReason } from '../../bpf/abi/heddle.gen.ts'
import type { Share } from './statistics.ts'

const COUNTER_BYTES = 8

/** Of a relay's stats: requests by how they ended; null = it serves no services yet. */
const RelayStats = z.object({ outbound: z.object({ requests: z.record(z.string(), z.number()) }).nullable() })

/** Has connect() to a service somewhere to lead to? */
export function leadsToRelay(bpffs: string): boolean {
  return withMap(bpffs, 'outbound_port', (map) => (map.lookup(u32(0), 4)?.readUInt32LE() ?? 0) > 0)
}

/** Requests since the start. `stats`: the relay's socket. */
export async function servedOn(bpffs: string, stats: string): Promise<Share> {
  const { outbound } = RelayStats.parse(await askRelay(stats))
  const relay = Object.values(outbound?.requests ?? {}).reduce((sum, each) => sum + each, 0)
  const kernel = withMap(
    bpffs,
    'client_counters',
    (map) => counted(map, ClientReason.KERNEL_ROUTED) + counted(map, ClientReason.KERNEL_ANSWERED),
  )
  return { kernel, relay }
}

/** Summed over CPUs: a value has a place for each that is possible, present or not. */
function counted(map: BpfMap, reason: number): number {
  const range = readFileSync('/sys/devices/system/cpu/possible', 'utf8').trim()
  const cpus = Number(range.split(/[-,]/).at(-1)) + 1
  const value = map.lookup(u32(reason), COUNTER_BYTES * cpus) ?? Buffer.alloc(0)
  let sum = 0
  for (let at = 0; at < value.length; at += COUNTER_BYTES) sum += Number(value.readBigUInt64LE(at))
  return sum
}

function withMap<T>(bpffs: string, name: LiveMap, use: (map: BpfMap) => T): T {
  const map = BpfMap.pinned(new Pins(bpffs).map(name))
  try {
    return use(map)
  } finally {
    map.close()
  }
}
