/** Ctrl-C and SIGTERM: take the stack down, then end. */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { living } from './journal.ts'

const EXIT_BY_SIGNAL = 130

/**
 * The janitor does it, and this process waits without running anything else: a
 * stack that is still coming up can't make one more thing meanwhile.
 */
export function downOnSignals(dir: string): void {
  const janitor = fileURLToPath(new URL('./janitor.js', import.meta.url))
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => {
      process.stderr.write(`\n${signal}: taking everything down\n`)
      const { pid, started } = living('owner', process.pid)
      spawnSync(process.execPath, [janitor, dir, String(pid), started], {
        stdio: ['ignore', 'ignore', 'inherit'],
      })
      process.exit(EXIT_BY_SIGNAL)
    })
  }
}
