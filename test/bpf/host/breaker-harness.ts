/** The kernel's breaker (breaker.c) as a host program: commands in, a line of answers each. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { type Breaker, sliceMsOf } from '../../../pipelines/policy/breaker.ts'

const root = fileURLToPath(new URL('../../../..', import.meta.url))
const FLAGS = ['-std=gnu23', '-g', '-O1', '-Wall', '-Wextra', '-Werror']
const SANITIZED = ['-fsanitize=address,undefined', '-fno-sanitize-recover=all']

export type BreakerProgram = { run(commands: readonly string[]): Promise<string[]>; remove(): Promise<void> }

export async function buildBreaker(): Promise<BreakerProgram> {
  const directory = await mkdtemp(join(tmpdir(), 'heddle-breaker-'))
  const program = join(directory, 'program')
  await execa('clang-22', [...FLAGS, ...SANITIZED, 'test/bpf/host/breaker.c', '-o', program], { cwd: root })
  return {
    async run(commands) {
      const input = commands.map((command) => `${command}\n`).join('')
      const { stdout } = await execa(program, { input, maxBuffer: 256 * 1024 * 1024 })
      return stdout.split('\n')
    },
    remove: () => rm(directory, { recursive: true, force: true }),
  }
}

export function ruleCommand({ consecutiveErrors, errorRate, maxInFlight, open, probes }: Breaker): string {
  const rate = errorRate
    ? [errorRate.percent, errorRate.minimumVolume, sliceMsOf(errorRate.window)]
    : [0, 0, 0]
  return ['rule', consecutiveErrors ?? 0, ...rate, open, probes, maxInFlight ?? 0].join(' ')
}
