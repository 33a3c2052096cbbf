/** Ctrl-C and SIGTERM: take the stack down, then end. */
import { spawnSync } from 'node:child_process'
import { constants } from 'node:os'
import { fileURLToPath } from 'node:url'
import { living } from './journal.ts'

export const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** As a shell tells the end by a signal. */
export const exitCodeOf = (signal: NodeJS.Signals): number => 128 + constants.signals[signal]

/**
 * The janitor does it, and this process waits without running anything else: a
 * stack that is still coming up can't make one more thing meanwhile.
 */
export function takeDown(dir: string): void {
  const janitor = fileURLToPath(new URL('./janitor.js', import.meta.url))
  const { pid, started } = living('owner', process.pid)
  spawnSync(process.execPath, [janitor, dir, String(pid), started], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
}

export function downOnSignals(dir: string): void {
  for (const signal of SIGNALS) {
    process.once(signal, () => {
      process.stderr.write(`\n${signal}: taking everything down\n`)
      takeDown(dir)
      process.exit(exitCodeOf(signal))
    })
  }
}
