import { readFileSync } from 'node:fs'

/** What a per-CPU map's value is sized for: `0-127` means 128, present or not. */
export function possibleCpus(): number {
  const range = readFileSync('/sys/devices/system/cpu/possible', 'utf8').trim()
  return Number(range.split(/[-,]/).at(-1)) + 1
}
