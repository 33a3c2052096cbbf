/** What programs count, by name, summed over CPUs. */
import { BpfError } from '../adapters/bpf-error.ts'
import { BpfMap, u32 } from '../adapters/libbpf.ts'
import { possibleCpus } from '../adapters/possible-cpus.ts'

const COUNTER_BYTES = 8
const ENOENT = 2

/**
 * Reads a pinned map of counters, `names` by number (an enum of the ABI; its end marker is no entry of
 * the map). What never happened is left out.
 */
export function readCounters(path: string, names: Readonly<Record<string, number>>): Record<string, number> {
  const cpus = possibleCpus()
  const map = pinned(path)
  if (map === undefined) return {}
  const found: Record<string, number> = {}
  try {
    for (const [name, number] of Object.entries(names)) {
      const perCpu = map.lookup(u32(number), COUNTER_BYTES * cpus)
      let sum = 0n
      for (let cpu = 0; perCpu && cpu < cpus; cpu++) sum += perCpu.readBigUInt64LE(COUNTER_BYTES * cpu)
      if (sum > 0n) found[name] = Number(sum)
    }
  } finally {
    map.close()
  }
  return found
}

/** Undefined = the node was detached meanwhile: asking must not end the relay. */
function pinned(path: string): BpfMap | undefined {
  try {
    return BpfMap.pinned(path)
  } catch (error) {
    if (error instanceof BpfError && error.errno === ENOENT) return undefined
    throw error
  }
}
