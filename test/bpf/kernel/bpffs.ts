import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync } from 'node:fs'

const USUAL = '/sys/fs/bpf'

/** A mounted bpffs; the usual place is mounted where it is not yet. */
export function mountBpffs(): string {
  const lines = readFileSync('/proc/self/mounts', 'utf8').split('\n')
  if (lines.some((line) => line.split(' ')[1] === USUAL && line.split(' ')[2] === 'bpf')) return USUAL
  mkdirSync(USUAL, { recursive: true })
  execFileSync('mount', ['-t', 'bpf', 'bpf', USUAL])
  return USUAL
}
