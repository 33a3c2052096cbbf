/**
 * The transparency log in the object store: what is to be released is logged first, for everyone to see. Entries
 * are appended one by one, and whatever is written is there to stay:
 *
 * 1. The bundle of entries that ends with the new one is created. Where another writer's is there already (it is
 *    faster, or died behind this step), that one's entry is appended first: so an index has one entry, whoever
 *    writes, and also when somebody puts an old checkpoint back.
 * 2. The tiles follow from the bundle.
 * 3. The checkpoint is signed and swapped against the one that was read.
 *
 * Nothing is signed because it lies in the store: the checkpoint must be of this log, tiles must give its root,
 * entries the hashes of their tile, and an entry that another writer left must at least be well-formed.
 * Source: https://c2sp.org/tlog-tiles
 */
import { sameBytes } from '../../pipelines/bytes.ts'
import { Failure } from '../../pipelines/contract/failures.ts'
import { formatCheckpoint, formatProof, type Log } from '../../pipelines/log/checkpoint.ts'
import { leafHash } from '../../pipelines/log/merkle.ts'
import { formatNote, keyId, type NoteSignature } from '../../pipelines/log/signed-note.ts'
import {
  formatBundle,
  hashesAt,
  MAX_ENTRY_BYTES,
  TILE_WIDTH,
  type Tile,
  tileAt,
} from '../../pipelines/log/tiles.ts'
import type { ObjectStore, Signer } from '../ports.ts'
import { CHECKPOINT, keyOf, LogReader, type LogState } from './log-reader.ts'
import { folded, type LogTree } from './log-tree.ts'

/** Other writers' entries that are appended, or that win, before ours: more is a store that lies. */
const MAX_TURNS = 64

/** `log`: whose checkpoint is gone on from. `signers`: who sign the next one. `isEntry`: what may be appended. */
export type LogWriter = { log: Log; signers: readonly Signer[]; isEntry: (entry: Uint8Array) => boolean }

export class TransparencyLog {
  private readonly store: ObjectStore
  private readonly writer: LogWriter
  private readonly reader: LogReader

  constructor(store: ObjectStore, writer: LogWriter) {
    this.store = store
    this.writer = writer
    this.reader = new LogReader(store, writer.log)
  }

  /**
   * Logs the entry, unless it is one of the last 256 or more, and gives the proof (a tlog-proof). Throws
   * Failure('store-conflict' | 'store-unavailable' | 'log-damaged' | 'limit-exceeded').
   */
  async append(entry: Uint8Array): Promise<string> {
    if (entry.length > MAX_ENTRY_BYTES) throw new Failure('limit-exceeded', 'a log entry has 65,535 bytes')
    for (let turn = 0; turn < MAX_TURNS; turn++) {
      const state = (await this.reader.checkpoint()) ?? this.empty()
      const before = await this.tail(state)
      const found = await this.find(state, before, entry)
      if (found !== undefined) return this.proof(state, found, this.reader.tree(state.size))
      const taken = await this.claim(state, before, entry)
      const tree = await this.extend(state, [...before, taken])
      const next = await this.swap(state, await tree.root())
      if (next && sameBytes(taken, entry)) return this.proof(next, state.size, tree)
    }
    throw new Failure('store-conflict', `${MAX_TURNS} others were logged before this one`)
  }

  private empty(): LogState {
    const { origin, sha256 } = this.writer.log
    return { origin, size: 0, root: sha256(new Uint8Array()), note: '', version: undefined }
  }

  /** Entries of the bundle that is not full yet, checked against the checkpoint. */
  private async tail({ size, root }: LogState): Promise<Uint8Array[]> {
    if (!sameBytes(await this.reader.tree(size).root(), root))
      throw new Failure('log-damaged', 'the tiles in the store are not those of the checkpoint')
    return size % TILE_WIDTH === 0 ? [] : this.reader.entries(size - 1, size)
  }

  /** Index of the entry among the last 256 and more: who is delivered twice is logged once, as a rule. */
  private async find(
    { size }: LogState,
    tail: readonly Uint8Array[],
    entry: Uint8Array,
  ): Promise<number | undefined> {
    const full = size - tail.length
    const before = full === 0 ? [] : await this.reader.entries(full - 1, size)
    const found = [...before, ...tail].findIndex((each) => sameBytes(each, entry))
    return found < 0 ? undefined : full - before.length + found
  }

  /** The entry that the next index has from now on: ours, or one that came before it. */
  private async claim(state: LogState, before: Uint8Array[], entry: Uint8Array): Promise<Uint8Array> {
    const tile = tileAt('entries', state.size, state.size + 1)
    const created = await this.store.create(keyOf(tile), formatBundle([...before, entry]))
    if (created === 'created') return entry
    const there = await this.reader.bundle(tile)
    if (!before.every((each, at) => sameBytes(each, there[at] as Uint8Array)))
      throw new Failure('log-damaged', `${keyOf(tile)} does not go on from this log's entries`)
    const left = there[before.length] as Uint8Array
    // Signed once, it could never be taken back: whoever put it there is told of, and it has to be deleted.
    if (!this.writer.isEntry(left))
      throw new Failure('log-damaged', `${keyOf(tile)} ends with what is no entry`)
    return left
  }

  /** Writes the tiles that change with the last of these entries, which all are in one bundle. */
  private async extend(state: LogState, entries: readonly Uint8Array[]): Promise<LogTree> {
    const size = state.size + 1
    const { sha256 } = this.writer.log
    await this.put(tileAt(0, state.size, size), joined(entries.map((entry) => leafHash(sha256, entry))))
    for (let level = 1; hashesAt(level, size) > hashesAt(level, state.size); level++) {
      const index = hashesAt(level, size) - 1
      const tile = tileAt(level, index, size)
      const before =
        tile.width === 1 ? new Uint8Array() : await this.reader.tile({ ...tile, width: tile.width - 1 })
      const full = await this.reader.tile({ level: level - 1, index, width: TILE_WIDTH })
      await this.put(tile, joined([before, folded(sha256, full)]))
    }
    return this.reader.tree(size)
  }

  /** What an earlier writer has put there must be the same. */
  private async put(tile: Tile, bytes: Uint8Array): Promise<void> {
    if ((await this.store.create(keyOf(tile), bytes)) === 'created') return
    if (!sameBytes(await this.reader.tile(tile), bytes))
      throw new Failure('log-damaged', `${keyOf(tile)} does not follow from the log's entries`)
  }

  /** Undefined = somebody else was faster. */
  private async swap(state: LogState, root: Uint8Array): Promise<LogState | undefined> {
    const checkpoint = { origin: state.origin, size: state.size + 1, root }
    const text = formatCheckpoint(checkpoint)
    const signatures: NoteSignature[] = []
    for (const signer of this.writer.signers) {
      const key = { name: state.origin, publicKey: signer.publicKey }
      const signature = await signer.sign(Buffer.from(text, 'utf8'))
      signatures.push({ name: key.name, keyId: keyId(this.writer.log.sha256, key), signature })
    }
    const note = formatNote({ text, signatures })
    try {
      const version = await this.store.replace(CHECKPOINT, Buffer.from(note, 'utf8'), state.version)
      return { ...checkpoint, version, note }
    } catch (error) {
      if (error instanceof Failure && error.code === 'store-conflict') return undefined
      throw error
    }
  }

  private async proof({ note }: LogState, index: number, tree: LogTree): Promise<string> {
    return formatProof({ index, hashes: await tree.inclusion(index), checkpoint: note })
  }
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts))
}
