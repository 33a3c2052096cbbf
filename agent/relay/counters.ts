/** What programs count, by name, summed over CPUs. */
import { readFileSync } from 'node:fs'
import { BpfMap, u32 } from '../adapters/libbpf.ts'

const COUNTER_BYTES = 8

/**
 * Reads a pinned map of counters, `names` by number (an enum of the ABI; its end marker is no entry of
 * the map). What never happened is left out.
 */
export function readCounters(path: string, names: Readonly<Record<string, number>>): Record<string, number> {
  const cpus = possibleCpus()
  const map = BpfMap.pinned(path)
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

/** What a per-CPU map's value is sized for: `0-127` means 128, present or not. */
function possibleCpus(): number {
  const range = readFileSync('/sys/devices/system/cpu/possible', 'utf8').trim()
  return Number(range.split(/[-,]/).at(-1)) + 1
}
