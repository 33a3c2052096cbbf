/** The kernel's routing (route.c) as a host program: commands in, a line of answers each. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'

const root = fileURLToPath(new URL('../../../..', import.meta.url))
const FLAGS = ['-std=gnu23', '-g', '-Wall', '-Wextra', '-Werror']
const SANITIZED = ['-O1', '-fsanitize=address,undefined', '-fno-sanitize-recover=all']

export type Router = {
  /** A file with these tables, for a `load` command. */
  tables(blob: Uint8Array): Promise<string>
  /** Answers of `ask` and `time` commands, in order. Rejects with what a sanitizer said. */
  run(commands: readonly string[]): Promise<string[]>
  remove(): Promise<void>
}

/** `quick`: without sanitizers, to be measured. */
export async function buildRouter(quick = false): Promise<Router> {
  const directory = await mkdtemp(join(tmpdir(), 'heddle-router-'))
  const program = join(directory, 'program')
  let files = 0
  await execa(
    'clang-22',
    [...FLAGS, ...(quick ? ['-O2'] : SANITIZED), 'test/bpf/host/route.c', '-o', program],
    {
      cwd: root,
    },
  )
  return {
    async tables(blob) {
      const file = join(directory, `tables-${files++}`)
      await writeFile(file, blob)
      return file
    },
    async run(commands) {
      const { stdout } = await execa(program, {
        input: commands.map((command) => `${command}\n`).join(''),
        maxBuffer: 256 * 1024 * 1024,
      })
      return stdout.split('\n')
    },
    remove: () => rm(directory, { recursive: true, force: true }),
  }
}
