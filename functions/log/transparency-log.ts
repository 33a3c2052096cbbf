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
 * Nothing of it is believed because it lies in the store: the checkpoint must carry our signature, tiles
 * must give its root, entries the hashes of their tile.
 * Source: https://c2sp.org/tlog-tiles
 */
import { createHash, verify } from 'node:crypto'
import { sameBytes } from '../../pipelines/bytes.ts'
import { Failure } from '../../pipelines/contract/failures.ts'
import {
  type Checkpoint,
  formatCheckpoint,
  formatProof,
  type Log,
  readCheckpoint,
} from '../../pipelines/log/checkpoint.ts'
import { HASH_BYTES, leafHash } from '../../pipelines/log/merkle.ts'
import { formatNote, keyId, MAX_NOTE_BYTES } from '../../pipelines/log/signed-note.ts'
import {
  formatBundle,
  hashesAt,
  MAX_ENTRY_BYTES,
  parseBundle,
  TILE_WIDTH,
  type Tile,
  tileAt,
  tilePath,
} from '../../pipelines/log/tiles.ts'
import type { ObjectStore, Signer } from '../ports.ts'
import { publicKeyObject } from '../trust/keys.ts'
import { folded, LogTree } from './log-tree.ts'

const PREFIX = 'log'
const CHECKPOINT = `${PREFIX}/checkpoint`
const MAX_TILE_BYTES = TILE_WIDTH * HASH_BYTES
const MAX_BUNDLE_BYTES = TILE_WIDTH * (2 + MAX_ENTRY_BYTES)
/** Other writers' entries that are appended, or that win, before ours: more is a store that lies. */
const MAX_TURNS = 64

type State = Checkpoint & { version: string | undefined; note: string }

export class TransparencyLog {
  private readonly store: ObjectStore
  private readonly signer: Signer
  private readonly log: Log

  /** `origin`: the name of the log, and of its key. */
  constructor(store: ObjectStore, signer: Signer, origin: string) {
    this.store = store
    this.signer = signer
    this.log = {
      key: { name: origin, publicKey: signer.publicKey },
      sha256: (bytes) => new Uint8Array(createHash('sha256').update(bytes).digest()),
      verify: (key, message, signature) => verify(null, message, publicKeyObject(key), signature),
    }
  }

  /**
   * Logs the entry, unless its proof is there, and gives the proof (a tlog-proof). Throws
   * Failure('store-conflict' | 'store-unavailable' | 'metadata-untrusted').
   */
  async append(entry: Uint8Array): Promise<string> {
    if (entry.length > MAX_ENTRY_BYTES) throw new Failure('limit-exceeded', 'a log entry has 65,535 bytes')
    for (let turn = 0; turn < MAX_TURNS; turn++) {
      const state = await this.read()
      const before = await this.tail(state)
      const found = await this.find(state, before, entry)
      if (found !== undefined) return this.proof(state, found, this.tree(state.size))
      const taken = await this.claim(state, before, entry)
      const tree = await this.extend(state, [...before, taken])
      const next = await this.swap(state, await tree.root())
      if (next && sameBytes(taken, entry)) return this.proof(next, state.size, tree)
    }
    throw new Failure('store-conflict', `${MAX_TURNS} others were logged before this one`)
  }

  /** What the log is now; an empty one has no checkpoint yet. */
  private async read(): Promise<State> {
    const object = await this.store.get(CHECKPOINT, MAX_NOTE_BYTES)
    const empty = { origin: this.log.key.name, size: 0, root: this.log.sha256(new Uint8Array()) }
    if (object === undefined) return { ...empty, version: undefined, note: '' }
    const note = Buffer.from(object.bytes).toString('utf8')
    const checkpoint = readCheckpoint(note, this.log)
    if (!checkpoint) throw new Failure('metadata-untrusted', 'the checkpoint in the store is not of this log')
    return { ...checkpoint, version: object.version, note }
  }

  /** Entries of the bundle that is not full yet, checked against the checkpoint. */
  private async tail(state: State): Promise<Uint8Array[]> {
    const tree = this.tree(state.size)
    if (!sameBytes(await tree.root(), state.root))
      throw new Failure('metadata-untrusted', 'the tiles in the store are not those of the checkpoint')
    return state.size % TILE_WIDTH === 0 ? [] : this.entries(state.size - 1, state.size)
  }

  /** All entries of the bundle that has this index, in a tree of `size`. */
  private async entries(index: number, size: number): Promise<Uint8Array[]> {
    const entries = await this.bundle(tileAt('entries', index, size))
    const leaves = joined(entries.map((entry) => leafHash(this.log.sha256, entry)))
    if (!sameBytes(leaves, await this.tile(tileAt(0, index, size))))
      throw new Failure('metadata-untrusted', 'the entries in the store are not those of the tiles')
    return entries
  }

  /** Index of the entry among the last 256 and more: who is delivered twice is logged once, as a rule. */
  private async find(
    { size }: State,
    tail: readonly Uint8Array[],
    entry: Uint8Array,
  ): Promise<number | undefined> {
    const full = size - tail.length
    const before = full === 0 ? [] : await this.entries(full - 1, size)
    const found = [...before, ...tail].findIndex((each) => sameBytes(each, entry))
    return found < 0 ? undefined : full - before.length + found
  }

  /** The entry that the next index has from now on: ours, or one that came before it. */
  private async claim(state: State, before: Uint8Array[], entry: Uint8Array): Promise<Uint8Array> {
    const tile = tileAt('entries', state.size, state.size + 1)
    const created = await this.store.create(keyOf(tile), formatBundle([...before, entry]))
    if (created === 'created') return entry
    const there = await this.bundle(tile)
    if (!before.every((each, at) => sameBytes(each, there[at] as Uint8Array)))
      throw new Failure('metadata-untrusted', 'a bundle of entries in the store is not of this log')
    return there[before.length] as Uint8Array
  }

  /** Writes the tiles that change with the last of these entries, which all are in one bundle. */
  private async extend(state: State, entries: readonly Uint8Array[]): Promise<LogTree> {
    const size = state.size + 1
    const leaves = entries.map((entry) => leafHash(this.log.sha256, entry))
    await this.put(tileAt(0, state.size, size), joined(leaves))
    for (let level = 1; hashesAt(level, size) > hashesAt(level, state.size); level++) {
      const index = hashesAt(level, size) - 1
      const tile = tileAt(level, index, size)
      const before = tile.width === 1 ? new Uint8Array() : await this.tile({ ...tile, width: tile.width - 1 })
      const full = await this.tile({ level: level - 1, index, width: TILE_WIDTH })
      await this.put(tile, joined([before, folded(this.log.sha256, full)]))
    }
    return this.tree(size)
  }

  /** What an earlier writer has put there must be the same. */
  private async put(tile: Tile, bytes: Uint8Array): Promise<void> {
    if ((await this.store.create(keyOf(tile), bytes)) === 'created') return
    if (!sameBytes(await this.tile(tile), bytes))
      throw new Failure('metadata-untrusted', `${keyOf(tile)} does not follow from the log's entries`)
  }

  /** Undefined = somebody else was faster. */
  private async swap(state: State, root: Uint8Array): Promise<State | undefined> {
    const checkpoint = { origin: this.log.key.name, size: state.size + 1, root }
    const text = formatCheckpoint(checkpoint)
    const signature = await this.signer.sign(Buffer.from(text, 'utf8'))
    const { key, sha256 } = this.log
    const note = formatNote({
      text,
      signatures: [{ name: key.name, keyId: keyId(sha256, key), signature }],
    })
    try {
      const version = await this.store.replace(CHECKPOINT, Buffer.from(note, 'utf8'), state.version)
      return { ...checkpoint, version, note }
    } catch (error) {
      if (error instanceof Failure && error.code === 'store-conflict') return undefined
      throw error
    }
  }

  private async proof({ note }: State, index: number, tree: LogTree): Promise<string> {
    return formatProof({ index, hashes: await tree.inclusion(index), checkpoint: note })
  }

  private tree(size: number): LogTree {
    return new LogTree(size, this.log.sha256, (tile) => this.tile(tile))
  }

  private async tile(tile: Tile): Promise<Uint8Array> {
    const bytes = await this.object(tile, MAX_TILE_BYTES)
    if (bytes.length !== tile.width * HASH_BYTES)
      throw new Failure('metadata-untrusted', `${keyOf(tile)} has not the bytes of ${tile.width} hashes`)
    return bytes
  }

  private async bundle(tile: Tile): Promise<Uint8Array[]> {
    const entries = parseBundle(await this.object(tile, MAX_BUNDLE_BYTES), tile.width)
    if (!entries) throw new Failure('metadata-untrusted', `${keyOf(tile)} has not ${tile.width} entries`)
    return entries
  }

  private async object(tile: Tile, maxBytes: number): Promise<Uint8Array> {
    const object = await this.store.get(keyOf(tile), maxBytes)
    if (!object) throw new Failure('metadata-untrusted', `${keyOf(tile)} of the log is not in the store`)
    return object.bytes
  }
}

const keyOf = (tile: Tile): string => `${PREFIX}/${tilePath(tile)}`

function joined(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts))
}
