/**
 * Compiler over clang: tables and the C of bpf/ become an ELF. The tables reach clang
 * as the file of one #embed; no string of a policy is ever part of a C source, a
 * command line or a path. Equal inputs give equal bytes, wherever, whenever and by whomever
 * they are built. With a directory for program texts, clang is asked once a variant (0.9 s of
 * the 3 s from a push to the last node) and tables are put into its answer: the same bytes.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { execa } from 'execa'
import { type Digest, GENERATION_HOOKS } from '../../pipelines/contract/artifact.ts'
import { codeDigest, tablesOf } from '../../pipelines/contract/code-digest.ts'
import { Failure } from '../../pipelines/contract/failures.ts'
import type { PolicySet } from '../../pipelines/policy/model.ts'
import { ABI } from '../../pipelines/tables/layout.ts'
import { CAPACITIES_LOG2, capacityFor, padTables, variantName } from '../compile/variants.ts'
import type { Compiled, Compiler, TableBuilder } from '../ports.ts'
import { sha256Hex } from '../trust/metadata.ts'
import { nodeTableBuilder } from './node-table-builder.ts'
import { type Builder, programTexts } from './program-texts.ts'

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
  '-Werror=date-time', // the moment of a build has no place in its bytes
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

/**
 * `sources`: the directory that has bpf/. Needs clang-22 and llvm-strip-22 in a system path.
 * `texts`: a directory that keeps what clang said; without it clang builds everything anew.
 * `tables`: who makes the tables.
 */
export function clangCompiler(
  sources: string,
  texts?: string,
  tables: TableBuilder = nodeTableBuilder(),
): ClangCompiler {
  const root = resolve(sources)
  const builder: Builder = {
    fingerprint: () => fingerprint(root),
    text: (capacity) => inbound(root, capacity, padTables(new Uint8Array(0), capacity)),
    dispatcher: () => build(root, DISPATCHER, new Map()),
  }
  const kept = texts === undefined ? undefined : programTexts(builder, resolve(texts))
  return {
    async compile(set: PolicySet): Promise<Compiled> {
      const { blob, words, blocks, services, routes, breakers } = await tables.build(set)
      const capacity = capacityFor(words)
      const elf =
        kept === undefined
          ? await inbound(root, capacity, padTables(blob, capacity))
          : withTables(await kept.text(capacity), blob)
      return {
        abi: ABI,
        kernel: { minimum: MINIMUM_KERNEL, arch: 'bpfel', hooks: [...GENERATION_HOOKS] },
        code: { variant: variantName(capacity), digest: codeDigest(elf, digestOf) },
        tables: { digest: digestOf(tablesOf(elf)), words },
        blocks: [...blocks],
        services: [...services],
        routes: [...routes],
        ...(breakers.length > 0 ? { breakers: [...breakers] } : {}),
        elf,
      }
    },
    async variants() {
      if (kept !== undefined) return kept.variants()
      const signed = []
      for (const capacity of CAPACITIES_LOG2) {
        const digest = codeDigest(await builder.text(capacity), digestOf)
        signed.push({ variant: variantName(capacity), digest })
      }
      return signed
    },
    dispatcher: () => (kept ?? builder).dispatcher(),
  }
}

/** The text with `blob` where clang has put zeros; in place. */
function withTables(text: Uint8Array, blob: Uint8Array): Uint8Array {
  const tables = tablesOf(text)
  tables.fill(0)
  tables.set(blob)
  return text
}

/** Digest of all that an ELF comes from: every source and header that clang reads, flags, tools. */
async function fingerprint(root: string): Promise<string> {
  const dependencies = (program: string) =>
    run(root, 'clang-22', [...FLAGS, `-DPOLICY_WORDS_LOG2=${CAPACITIES_LOG2[0]}`, '-M', '-MG', program])
  const said = await Promise.all([
    ...[INBOUND, DISPATCHER].map(dependencies),
    run(root, 'clang-22', ['--version']),
    run(root, 'llvm-strip-22', ['--version']),
  ])
  const rules = said.slice(0, 2).join(' ')
  const files = [...new Set(rules.split(/[\s\\]+/).filter((word) => /[/].*\.[ch]$/.test(word)))].sort()
  const contents = files.map(async (file) => `${file} ${sha256Hex(await readFile(resolve(root, file)))}`)
  const all = [...(await Promise.all(contents)), ...FLAGS, ...CAPACITIES_LOG2, ...said.slice(2)]
  return sha256Hex(Buffer.from(all.join('\n')))
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

/** What the command says. Throws Failure('compiler-failed'). */
async function run(cwd: string, command: string, args: readonly string[]): Promise<string> {
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
  if (!result.failed) return result.stdout
  const detail = (result.all ?? '')
    .split('\n')
    .filter((line) => line !== '')
    .slice(0, DETAIL_LINES)
  const why = result.timedOut ? `no result after ${TIMEOUT_MS} ms` : (detail[0] ?? result.shortMessage)
  throw new Failure('compiler-failed', `${command}: ${why}`, { detail })
}
