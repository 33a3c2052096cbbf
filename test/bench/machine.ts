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
