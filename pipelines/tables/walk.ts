/**
 * Reads the blob as the kernel does (bpf/lib/automaton.h, diagram.h): the second
 * implementation of heddle.h, which tests compare with both the kernel's and the
 * reference evaluator. Every read stays inside the words in use.
 */
import type { Field, Request } from '../protocols/http1-request.ts'
import {
  AT,
  CLASS_OTHER,
  DFA_WORDS,
  DIM_METHOD,
  LEAF,
  LEAF_NUMBER,
  MAX_DIMS,
  MAX_OBSERVERS,
  NEXT_LATCH,
  NEXT_STATE,
  OBSERVER_WORDS,
} from './layout.ts'
import { type MetMirror, mirrorsIn } from './mirror-walk.ts'
import { type MetRate, ratesIn } from './rate-walk.ts'

/** Blocks of identities, as the agent hands them to the kernel. */
export type ConnectionRows = { readonly subject: bigint; readonly peer: bigint }

export type Judged = 'pass' | 'drop' | 'allow' | 'deny'

/** An audit rule that a request meets: where it stands among those that see requests, and what its counts are known by. */
export type Audited = { readonly place: number; readonly id: bigint }

const COMMA = 0x2c

/** What an input did to an automaton: its last final value, and latches as bits. */
type Walked = { final: number; latches: bigint }

export class TablesWalker {
  private readonly view: DataView

  constructor(blob: Uint8Array) {
    this.view = new DataView(blob.buffer, blob.byteOffset, blob.byteLength)
  }

  word(at: number): number {
    return this.view.getUint32(at * 4, true)
  }

  /** Final value of an automaton whose struct heddle_dfa stands at word `dfaAt`. */
  walk(dfaAt: number, input: Uint8Array): Walked {
    const [start, stride, classesAt, combAt, denseAt, finalEmpty] = Array.from(
      { length: DFA_WORDS },
      (_, i) => this.word(dfaAt + i),
    ) as [number, number, number, number, number, number]
    if (input.length === 0) return { final: finalEmpty, latches: 0n }
    let state = start
    let latches = 0n
    for (const byte of input) {
      if (state === 0) break
      const byteClass = this.view.getUint8(classesAt * 4 + byte)
      const entry = combAt + 2 * (state + 2 + byteClass)
      const next =
        this.word(entry) === state
          ? this.word(entry + 1)
          : this.word(denseAt + this.word(combAt + 2 * state) * stride + byteClass)
      state = next & NEXT_STATE
      if (next >= NEXT_LATCH) latches |= 1n << BigInt(this.word(combAt + 2 * (state + 1)) - 1)
    }
    return { final: state === 0 ? 0 : this.word(combAt + 2 * state + 1), latches }
  }

  /** Row of 64-bit words at a word index. */
  row(at: number): bigint {
    const words = this.word(AT.row_u64)
    let row = 0n
    for (let i = 0; i < words; i++) row |= this.view.getBigUint64(at * 4 + i * 8, true) << BigInt(64 * i)
    return row
  }

  /** The row whose number + 1 is an automaton's final value. */
  private rowOf(dfaAt: number, input: Uint8Array): bigint {
    const { final } = this.walk(dfaAt, input)
    return final === 0 ? 0n : this.row(this.word(AT.rows_at) + (final - 1) * 2 * this.word(AT.row_u64))
  }

  /** Blocks that speak of a peer which is no workload: 4 or 16 bytes. */
  world(address: Uint8Array): bigint {
    return this.rowOf(address.length === 4 ? AT.address4 : AT.address6, address)
  }

  /** L3/L4: pass, drop, or the L7 blocks that judge. */
  connection({ subject, peer }: ConnectionRows, protocol: number, port: number): 'pass' | 'drop' | bigint {
    const applies = subject & peer & this.rowOf(AT.ports, Uint8Array.of(protocol, port >> 8, port & 255))
    const kind = (at: number): bigint => this.row(this.word(at))
    if ((applies & kind(AT.denies_at)) !== 0n) return 'drop'
    const forbids = applies & this.forbids() & ~this.bystanders()
    if ((subject & kind(AT.selects_at)) === 0n || (applies & kind(AT.allows_at)) !== 0n) {
      return forbids === 0n ? 'pass' : forbids | (1n << BigInt(this.word(AT.forbids)))
    }
    const judges = applies & kind(AT.judges_at)
    return judges === 0n ? 'drop' : judges | forbids
  }

  /** The first blocks: whose matches are counted, and with them those whose matches deny. */
  private first(at: number): bigint {
    return (1n << BigInt(this.word(at))) - 1n
  }

  private forbids(): bigint {
    return this.first(AT.forbids)
  }

  /** Those that see requests, and no verdict hangs on them. */
  private bystanders(): bigint {
    const observes = this.first(AT.observes)
    return observes & ~(observes & this.first(AT.limits))
  }

  /** Blocks that copy requests of a connection which are let in; 0 = none does. */
  mirrors({ subject, peer }: ConnectionRows, protocol: number, port: number): bigint {
    if (this.word(AT.mirrors_at) === 0) return 0n
    const mirrors = this.bystanders() & ~BigInt(this.word(AT.audits))
    return mirrors & subject & peer & this.rowOf(AT.ports, Uint8Array.of(protocol, port >> 8, port & 255))
  }

  /** Of those, the ones that the request meets. */
  mirrored(mirrors: bigint, request: Request): MetMirror[] {
    return mirrors === 0n ? [] : mirrorsIn(this, this.found(request) & mirrors)
  }

  /** Audit rules that speak of a connection, whatever becomes of it; 0 = none does. */
  audits({ subject, peer }: ConnectionRows, protocol: number, port: number): bigint {
    const audits = BigInt(this.word(AT.audits))
    if (audits === 0n) return 0n
    return audits & subject & peer & this.rowOf(AT.ports, Uint8Array.of(protocol, port >> 8, port & 255))
  }

  /** Of the audit rules in `audits`, those that the request meets; of what is no HTTP/1, all. */
  audited(audits: bigint, request: Request | 'unparsed'): Audited[] {
    const met = request === 'unparsed' ? audits : this.found(request) & audits
    const observersAt = this.word(AT.observers_at)
    const numbers = Array.from({ length: MAX_OBSERVERS }, (_, index) => index)
    return numbers
      .filter((index) => ((met >> BigInt(index)) & 1n) === 1n)
      .map((place) => {
        return { place, id: this.view.getBigUint64((observersAt + OBSERVER_WORDS * place) * 4, true) }
      })
  }

  /** May what is no HTTP/1 pass? Not where a rule denies or counts requests and its policy wants to read them all. */
  passesUnparsed(blocks: bigint): boolean {
    const passing = this.row(this.word(AT.opaque_at))
    const reading = blocks & this.forbids()
    if ((reading & ~passing) !== 0n) return false
    const open = reading !== 0n && ((blocks >> BigInt(this.word(AT.forbids))) & 1n) === 1n
    return open || (blocks & ~reading & passing) !== 0n
  }

  /** L7: does one of `blocks` allow the request, and none deny it? Then the limits that it meets, else undefined. */
  allowed(blocks: bigint, request: Request): MetRate[] | undefined {
    const found = this.found(request) & blocks
    const limits = this.first(AT.limits)
    const forbids = this.forbids() & ~limits & ~this.bystanders()
    if ((found & forbids) !== 0n || (found & ~this.forbids()) === 0n) return undefined
    return ratesIn(this, found & limits)
  }

  /** Blocks whose matches the request meets, whoever they speak of. */
  private found(request: Request): bigint {
    const classes = this.classes(request)
    const { final, latches } = this.walk(AT.path, request.target)
    let found = final === 0 ? 0n : this.decides(final, classes)
    for (let latch = 0; latch < this.word(AT.latches); latch++) {
      if (((latches >> BigInt(latch)) & 1n) === 0n) continue
      found |= this.decides(this.word(this.word(AT.roots_at) + latch), classes)
    }
    return found
  }

  allows(blocks: bigint, request: Request): boolean {
    return this.allowed(blocks, request) !== undefined
  }

  /** What the kernel does with a request of this connection, or with what is none. */
  judge(
    rows: ConnectionRows,
    protocol: number,
    [port, request]: readonly [number, Request | 'unparsed'],
  ): Judged {
    const judges = this.connection(rows, protocol, port)
    if (typeof judges !== 'bigint') return judges
    if (request === 'unparsed') return this.passesUnparsed(judges) ? 'allow' : 'deny'
    return this.allows(judges, request) ? 'allow' : 'deny'
  }

  private classes({ method, fields }: Request): Uint16Array {
    const classes = new Uint16Array(this.word(AT.dims))
    classes[DIM_METHOD] = this.walk(AT.method, method).final || CLASS_OTHER
    const values = new Map<number, number[]>()
    for (const { name, value } of fields satisfies Field[]) {
      const dim = (this.walk(AT.names, name).final >> 8) & (MAX_DIMS - 1)
      const before = values.get(dim)
      // What comes again is one value with the first (RFC 9110 5.3).
      if (dim !== 0) values.set(dim, before === undefined ? [...value] : [...before, COMMA, ...value])
    }
    for (const [dim, value] of values) {
      const { final } = this.walk(this.word(AT.values_at) + dim * DFA_WORDS, Uint8Array.from(value))
      classes[dim] = final || CLASS_OTHER
    }
    return classes
  }

  /** Blocks at the leaves that the diagram leads to, one part after the other. */
  private decides(root: number, classes: Uint16Array): bigint {
    const thens = this.word(AT.thens_at)
    let found = 0n
    for (let at = root; at !== 0; ) {
      const leaf = this.leaf(at, classes)
      if (leaf === undefined) return found
      found |= this.row(this.word(AT.leaves_at) + leaf * 2 * this.word(AT.row_u64))
      at = thens === 0 ? 0 : this.word(thens + leaf)
    }
    return found
  }

  private leaf(root: number, classes: Uint16Array): number | undefined {
    const diagramAt = this.word(AT.diagram_at)
    let at = root
    for (let asked = 0; asked < classes.length && at < LEAF; asked++) {
      const entry = diagramAt + 2 * (at + 1 + (classes[this.word(diagramAt + 2 * at + 1)] as number))
      at = this.word(entry) === at ? this.word(entry + 1) : this.word(diagramAt + 2 * at)
    }
    return at < LEAF ? undefined : at & LEAF_NUMBER
  }
}
