/**
 * Compiler over clang: tables and the C of bpf/ become an ELF. The tables reach clang
 * as the file of one #embed; no string of a policy is ever part of a C source, a
 * command line or a path. (Measured: an #embed of 32 MB takes 0.1 s longer than one of
 * 64 kB, 0.8 s in all, so nothing is gained by patching a section of a ready object,
 * and everything that runs has been through clang.) Equal inputs give equal bytes, wherever, whenever and by
 * whomever they are built.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { execa } from 'execa'
import { type Digest, GENERATION_HOOKS } from '../../pipelines/contract/artifact.ts'
import { codeDigest, tablesOf } from '../../pipelines/contract/code-digest.ts'
import { Failure } from '../../pipelines/contract/failures.ts'
import type { PolicySet } from '../../pipelines/policy/model.ts'
import { buildTables } from '../../pipelines/tables/build-tables.ts'
import { ABI } from '../../pipelines/tables/layout.ts'
import { CAPACITIES_LOG2, capacityFor, padTables, variantName } from '../compile/variants.ts'
import type { Compiled, Compiler } from '../ports.ts'
import { sha256Hex } from '../trust/metadata.ts'

const INBOUND = 'bpf/programs/inbound.c'
const DISPATCHER = 'bpf/programs/dispatcher.c'
/** Why these: helpers and map types that the programs use; every one is run on it in the tests. */
const MINIMUM_KERNEL = '6.1'

const FLAGS = [
  '-O2',
  '-g', // for BTF; DWARF is stripped
  '-target',
  'bpf',
  '-mcpu=v3',
  '-fno-ident',
  '-Wno-c23-extensions',
  '-I/usr/include/x86_64-linux-gnu',
]
/** Nothing of the caller's environment reaches the compiler. */
const ENVIRONMENT = { PATH: '/usr/local/bin:/usr/bin:/bin', LC_ALL: 'C', HOME: '/nonexistent', TZ: 'UTC' }
const TIMEOUT_MS = 60_000
const MAX_OUTPUT = 256 * 1024
/** Lines of a compiler's complaint that a failure carries. */
const DETAIL_LINES = 20

export type ClangCompiler = Compiler & {
  /** Name and code digest of every variant: what the code key signs. */
  variants(): Promise<{ variant: string; digest: Digest }[]>
  /** The dispatcher's ELF: signed by the code key as a whole. */
  dispatcher(): Promise<Uint8Array>
}

const digestOf = (bytes: Uint8Array): Digest => `sha256:${sha256Hex(bytes)}`

/** `sources`: the directory that has bpf/. Needs clang-22 and llvm-strip-22 in a system path. */
export function clangCompiler(sources: string): ClangCompiler {
  const root = resolve(sources)
  return {
    async compile(set: PolicySet): Promise<Compiled> {
      const result = buildTables(set)
      if (!result.ok) throw result.failures[0] as Failure
      const { blob, words, blocks } = result.tables
      const capacity = capacityFor(words)
      const elf = await inbound(root, capacity, padTables(blob, capacity))
      return {
        abi: ABI,
        kernel: { minimum: MINIMUM_KERNEL, arch: 'bpfel', hooks: [...GENERATION_HOOKS] },
        code: { variant: variantName(capacity), digest: codeDigest(elf, digestOf) },
        tables: { digest: digestOf(tablesOf(elf)), words },
        blocks: [...blocks],
        elf,
      }
    },
    async variants() {
      const signed = []
      for (const capacity of CAPACITIES_LOG2) {
        const elf = await inbound(root, capacity, padTables(new Uint8Array(0), capacity))
        signed.push({ variant: variantName(capacity), digest: codeDigest(elf, digestOf) })
      }
      return signed
    },
    dispatcher: () => build(root, DISPATCHER, new Map()),
  }
}

function inbound(root: string, capacity: number, tables: Uint8Array): Promise<Uint8Array> {
  return build(root, INBOUND, new Map([['policy.bin', tables]]), [`-DPOLICY_WORDS_LOG2=${capacity}`])
}

/** Compile one program; `embedded` files exist only while clang runs. */
async function build(
  root: string,
  program: string,
  embedded: ReadonlyMap<string, Uint8Array>,
  defines: readonly string[] = [],
): Promise<Uint8Array> {
  const directory = await mkdtemp(join(tmpdir(), 'heddle-compile-'))
  const output = join(directory, 'program.o')
  try {
    for (const [name, bytes] of embedded) await writeFile(join(directory, name), bytes)
    const paths = [`-ffile-prefix-map=${root}=.`, '-fdebug-compilation-dir=.', `--embed-dir=${directory}`]
    await run(root, 'clang-22', [...FLAGS, ...paths, ...defines, '-c', program, '-o', output])
    await run(root, 'llvm-strip-22', ['-g', output])
    return new Uint8Array(await readFile(output))
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

async function run(cwd: string, command: string, args: readonly string[]): Promise<void> {
  const result = await execa(command, args, {
    cwd,
    env: ENVIRONMENT,
    extendEnv: false,
    stdin: 'ignore',
    all: true,
    reject: false,
    timeout: TIMEOUT_MS,
    killSignal: 'SIGKILL',
    maxBuffer: MAX_OUTPUT,
  })
  if (!result.failed) return
  const detail = (result.all ?? '')
    .split('\n')
    .filter((line) => line !== '')
    .slice(0, DETAIL_LINES)
  const why = result.timedOut ? `no result after ${TIMEOUT_MS} ms` : (detail[0] ?? result.shortMessage)
  throw new Failure('compiler-failed', `${command}: ${why}`, { detail })
}
