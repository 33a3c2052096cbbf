/** The machine that a number was measured on; without it the number means nothing. */
import { cpus, release, totalmem } from 'node:os'

export function machine(): Record<string, string | number> {
  const all = cpus()
  return {
    cpu: all[0]?.model ?? 'unknown',
    cores: all.length,
    memory_gb: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    node: process.version,
  }
}

/** CPU lists for taskset. `between`: proxies and relays. */
export type Pinning = { load: string; server: string; between: string }

/**
 * One CPU for the load, one for the servers, the same in every case: that the scheduler at times puts both
 * on one CPU is the largest noise of all. What stands between gets CPUs of its own, as long as there are
 * any, and otherwise the choice among all, which is the best it can get.
 */
export function pinningFor(cores: number): Pinning {
  if (cores === 1) return { load: '0', server: '0', between: '0' }
  const between = cores > 2 ? `2-${cores - 1}` : '0-1'
  return { load: '0', server: '1', between }
}
