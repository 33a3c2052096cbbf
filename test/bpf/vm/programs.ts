/** The dispatcher and hand-made generations as ELF files, built by clang from bpf/programs. */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { type HandPolicy, handTables } from './hand-tables.ts'

/** log2 of words: 64 KB, far more than a hand-made policy needs. */
const CAPACITY_LOG2 = 14

const FLAGS = [
  ...['-O2', '-g', '-target', 'bpf', '-mcpu=v3', '-Wall', '-Wextra', '-Wno-unused-parameter'],
  ...['-Wno-c23-extensions', `-DPOLICY_WORDS_LOG2=${CAPACITY_LOG2}`, '-I/usr/include/x86_64-linux-gnu'],
]

async function clang(root: string, source: string, output: string, flags: string[] = []): Promise<void> {
  await execa('clang-22', [...FLAGS, ...flags, '-c', source, '-o', output], { cwd: root })
}

/** `public.o` allows GET below /public, `other.o` below /other instead. */
export const POLICIES: Record<string, HandPolicy> = {
  public: { methods: ['GET', 'HEAD', 'POST'], prefixes: ['/public'] },
  other: { methods: ['GET', 'HEAD', 'POST'], prefixes: ['/other'] },
}

/** Writes dispatcher.o, another one with the same programs (next.o), and one ELF a policy into `directory`. */
export async function buildPrograms(root: string, directory: string): Promise<void> {
  const dispatcher = join(directory, 'dispatcher.o')
  await clang(root, 'bpf/programs/dispatcher.c', dispatcher)
  // What stands behind the end of an ELF is nobody's, and makes another file of it.
  await writeFile(join(directory, 'next.o'), Buffer.concat([await readFile(dispatcher), Buffer.from('next')]))
  for (const [name, policy] of Object.entries(POLICIES)) {
    const embed = join(directory, name)
    await mkdir(embed, { recursive: true })
    await writeFile(join(embed, 'policy.bin'), handTables(policy, CAPACITY_LOG2))
    await clang(root, 'bpf/programs/inbound.c', join(directory, `${name}.o`), [`--embed-dir=${embed}`])
  }
}
