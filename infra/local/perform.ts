/**
 * A command that makes something, done before anything else happens: a signal
 * handler never runs while it is under way, and it dies with this process, so
 * nothing is made after somebody began to clean up.
 */
import { spawnSync } from 'node:child_process'

/** Throws with what the command said when it fails. */
export function perform(command: string[], input = ''): void {
  const result = spawnSync('setpriv', ['--pdeathsig', 'KILL', ...command], { input, encoding: 'utf8' })
  if (result.status === 0) return
  // What it said comes first: that it ended before it read its input is only a consequence (EPIPE).
  const why = `${result.stderr ?? ''}${result.stdout ?? ''}`.trim() || result.error?.message
  throw new Error(`${command.join(' ')}: ${why}`)
}
