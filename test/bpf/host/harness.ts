/** The kernel's parsers as a host program with sanitizers: many streams a process, a line of events each. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { handTables } from '../vm/hand-tables.ts'
import { POLICIES } from '../vm/programs.ts'

const root = fileURLToPath(new URL('../../../..', import.meta.url))
/** POLICY_WORDS_LOG2 of parser.c. */
const CAPACITY_LOG2 = 14
/** Streams of one process: keeps its input in a pipe's order of size. */
const BATCH = 2_000

const FLAGS = ['-std=gnu23', '-O1', '-g', '-Wall', '-Wextra', '-Werror']

/** A stream, cut into segments of these lengths. */
export type Vector = {
  kind: 'request' | 'response'
  bytes: Buffer
  cuts: number[]
  /** Responses only: '1' for each that answers a HEAD. */
  headBits?: string
}

const inputLine = ({ kind, bytes, cuts, headBits = '' }: Vector) =>
  `${kind} ${bytes.toString('hex') || '-'} ${cuts.join(',')} ${headBits}\n`

export type Parser = {
  /** Events of each stream, then `phase:P`; see stream.h. Rejects with what a sanitizer said. */
  run(vectors: Vector[]): Promise<string[][]>
  remove(): Promise<void>
}

/** Compiles a host program, and lays the tables of the lane's `public` policy beside it. */
async function build(source: string, sanitizers: string) {
  const directory = await mkdtemp(join(tmpdir(), 'heddle-parser-'))
  const program = join(directory, 'program')
  const tables = join(directory, 'policy.bin')
  const remove = () => rm(directory, { recursive: true, force: true })
  try {
    const flags = [...FLAGS, `-fsanitize=${sanitizers}`, '-fno-sanitize-recover=all']
    await execa('clang-22', [...flags, `test/bpf/host/${source}`, '-o', program], { cwd: root })
    await writeFile(tables, handTables(POLICIES['public'] ?? { methods: [], prefixes: [] }, CAPACITY_LOG2))
  } catch (error) {
    await remove()
    throw error
  }
  return { directory, program, tables, remove }
}

/** Lets libFuzzer run from these inputs on; resolves to the last lines it said, rejects when it found something. */
export async function fuzz(inputs: Buffer[], runs: number, seed: number): Promise<string> {
  const { directory, program, tables, remove } = await build('fuzz.c', 'fuzzer,address,undefined')
  try {
    const corpus = join(directory, 'corpus')
    await mkdir(corpus)
    for (const [i, input] of inputs.entries()) await writeFile(join(corpus, String(i)), input)
    const { stderr } = await execa(
      program,
      [`-runs=${runs}`, `-seed=${seed}`, '-print_final_stats=1', corpus],
      {
        cwd: directory,
        env: { HEDDLE_TABLES: tables },
        maxBuffer: 256 * 1024 * 1024,
      },
    )
    return stderr.split('\n').slice(-8).join('\n')
  } finally {
    await remove()
  }
}

export async function buildParser(): Promise<Parser> {
  const { program, tables, remove } = await build('parser.c', 'address,undefined')
  const runBatch = async (vectors: Vector[]): Promise<string[][]> => {
    const { stdout } = await execa(program, [tables], {
      input: vectors.map(inputLine).join(''),
      maxBuffer: 256 * 1024 * 1024,
    })
    const lines = stdout.split('\n')
    if (lines.length !== vectors.length)
      throw new Error(`${lines.length} answers to ${vectors.length} streams`)
    return lines.map((line) => line.split(' '))
  }
  return {
    run: async (vectors) => {
      const events: string[][] = []
      for (let at = 0; at < vectors.length; at += BATCH)
        events.push(...(await runBatch(vectors.slice(at, at + BATCH))))
      return events
    },
    remove,
  }
}
