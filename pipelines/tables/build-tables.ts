/** PolicySet → the tables of bpf/abi/heddle.h, and the blocks that the agent makes rows of. */
import type { Block, BreakerEntry, RouteEntry } from '../contract/artifact.ts'
import { Failure } from '../contract/failures.ts'
import type { PolicySet } from '../policy/model.ts'
import type { ServicePort } from '../policy/route.ts'
import { addressAutomaton } from './address-automaton.ts'
import { BlobWriter } from './blob-writer.ts'
import { breakerTables } from './breakers.ts'
import { blocksOf, type FullBlock, observes } from './blocks.ts'
import { type HttpTables, httpTables } from './http-tables.ts'
import { ABI, AT, DFA_WORDS, DIM_METHOD, TABLES_MAGIC } from './layout.ts'
import { packAutomaton } from './pack-automaton.ts'
import { portAutomaton } from './port-automaton.ts'
import { writeRoutes } from './route-writer.ts'
import { RowTable, rowOf } from './rows.ts'

export type Tables = {
  /** Words in use, little endian. */
  readonly blob: Uint8Array
  readonly words: number
  readonly rowU64: number
  /** Bit i of a row = blocks[i]. */
  readonly blocks: readonly Block[]
  /** What backends of routes name by their index here. */
  readonly services: readonly ServicePort[]
  /** For whom the sets of routes are. */
  readonly routes: readonly RouteEntry[]
  /** Whose the breakers' rules are. */
  readonly breakers: readonly BreakerEntry[]
  /** States of the path automaton, for who wants to know what rules cost. */
  readonly pathStates: number
}

export type TablesResult =
  | { readonly ok: true; readonly tables: Tables }
  | { readonly ok: false; readonly failures: readonly Failure[] }

/** Failures: limit-exceeded, expression-invalid, unsupported-feature, each with the place in its message. Deterministic. */
export function buildTables(set: PolicySet): TablesResult {
  try {
    return { ok: true, tables: build(set) }
  } catch (error) {
    if (error instanceof Failure) return { ok: false, failures: [error] }
    throw error
  }
}

function build(set: PolicySet): Tables {
  const blocks = blocksOf(set)
  const rowU64 = Math.max(1, Math.ceil(blocks.length / 64))
  const http = httpTables(blocks, set.routes)
  const table = new RowTable()
  const numbered = (dfa: ReturnType<typeof portAutomaton>) =>
    packAutomaton(dfa, { final: (state) => dfa.finals[state] as number, latch: () => 0 })
  const address4 = numbered(addressAutomaton(blocks, 4, table))
  const address6 = numbered(addressAutomaton(blocks, 16, table))
  const ports = numbered(portAutomaton(blocks, table))

  const writer = new BlobWriter()
  const put = (at: number, words: readonly number[]): void => {
    for (const [index, word] of words.entries()) writer.set(at + index, word)
  }
  const kinds = (of: (block: FullBlock) => boolean): number =>
    writer.rows([rowOf(blocks.flatMap((block, index) => (of(block) ? [index] : [])))], rowU64)

  writer.set(
    AT.selects_at,
    kinds(({ kind }) => kind === 'select'),
  )
  writer.set(
    AT.denies_at,
    kinds(({ kind }) => kind === 'deny'),
  )
  writer.set(
    AT.allows_at,
    kinds(({ kind }) => kind === 'allow'),
  )
  writer.set(
    AT.judges_at,
    kinds(({ kind }) => kind === 'judge'),
  )
  writer.set(
    AT.opaque_at,
    kinds(({ opaque }) => opaque),
  )
  writer.set(AT.rows_at, writer.rows(table.rows, rowU64))
  writer.set(AT.leaves_at, writer.rows(http.leaves, rowU64))
  if (http.thens.length > 0) writer.set(AT.thens_at, writer.append(http.thens))
  writer.set(AT.roots_at, writer.append(http.roots))
  writer.set(AT.diagram_at, writer.append(http.diagram))
  const valuesAt = writer.automata(http.values.length)
  writer.set(AT.values_at, valuesAt)
  http.values.forEach((automaton, dim) => {
    const words = writer.automaton(automaton)
    put(valuesAt + dim * DFA_WORDS, words)
    if (dim === DIM_METHOD) put(AT.method, words)
  })
  put(AT.names, writer.automaton(http.names))
  put(AT.address4, writer.automaton(address4))
  put(AT.address6, writer.automaton(address6))
  put(AT.ports, writer.automaton(ports))
  put(AT.path, writer.automaton(http.path))
  writeResumes(writer, put, http)
  writeRates(writer, put, http)
  writeObservers(writer, put, blocks)
  if (http.mirrors.length > 0) writer.set(AT.mirrors_at, writer.append(http.mirrors))
  writer.set(AT.forbids, blocks.filter(({ kind }) => observes(kind) || kind === 'forbid').length)
  writeRoutes(writer, put, http.routes)
  const breakers = breakerTables(set.breakers ?? [])
  if (breakers.words.length > 0) put(AT.breakers_at, [writer.append(Uint32Array.from(breakers.words))])
  const head = [
    TABLES_MAGIC,
    ABI,
    writer.length,
    rowU64,
    blocks.length,
    http.values.length,
    http.roots.length,
  ]
  put(AT.magic, head)
  return {
    blob: writer.bytes(),
    words: writer.length,
    rowU64,
    blocks: blocks.map(({ kind, subject, peers }) => ({ kind: manifestKind(kind), subject, peers })),
    services: http.routes.collected.services.list,
    routes: http.routes.collected.entries,
    breakers: breakers.entries,
    pathStates: http.pathStates,
  }
}

/** Where each dimension's values go on when their name comes again. */
function writeResumes(
  writer: BlobWriter,
  put: (at: number, words: number[]) => void,
  http: HttpTables,
): void {
  const words = http.resumes.map((places) =>
    places.some((place) => place !== 0) ? writer.append(places) : 0,
  )
  put(AT.resumes_at, [writer.append(Uint32Array.from(words))])
}

/** What the first blocks count, and what heads are read for because of it. */
function writeRates(
  writer: BlobWriter,
  put: (at: number, words: number[]) => void,
  { rates }: HttpTables,
): void {
  const at = writer.append(rates.flatMap(({ words }) => words))
  put(AT.limits, [rates.length, at, rates.reduce((keys, rate) => keys | rate.keys, 0)])
}

/** What the first blocks are known by, and which of them do what. */
function writeObservers(
  writer: BlobWriter,
  put: (at: number, words: number[]) => void,
  blocks: readonly FullBlock[],
): void {
  const observers = blocks.filter(({ kind }) => observes(kind))
  const ids = observers.map(({ limit, audit }) => BigInt((limit ?? audit)?.id ?? 0))
  const at = writer.append(ids.flatMap((id) => [Number(id & 0xffffffffn), Number(id >> 32n)]))
  const audits = observers.reduce((bits, { kind }, index) => bits | (kind === 'audit' ? 1 << index : 0), 0)
  put(AT.observes, [observers.length, at, audits >>> 0])
}

function manifestKind(kind: FullBlock['kind']): Block['kind'] {
  return observes(kind) || kind === 'forbid' || kind === 'open' ? 'judge' : (kind as Block['kind'])
}
