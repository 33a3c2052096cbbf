/**
 * A log's objects as they lie in a store. Nothing of it is believed because it lies there: the checkpoint must
 * carry a key of the log, a tile the bytes of its hashes, entries the hashes of their tile.
 * Source: https://c2sp.org/tlog-tiles
 */
import { createHash, verify } from 'node:crypto'
import { sameBytes } from '../../pipelines/bytes.ts'
import { Failure } from '../../pipelines/contract/failures.ts'
import { type Checkpoint, type Log, readCheckpoint } from '../../pipelines/log/checkpoint.ts'
import { HASH_BYTES, leafHash } from '../../pipelines/log/merkle.ts'
import { MAX_NOTE_BYTES } from '../../pipelines/log/signed-note.ts'
import {
  MAX_ENTRY_BYTES,
  parseBundle,
  TILE_WIDTH,
  type Tile,
  tileAt,
  tilePath,
} from '../../pipelines/log/tiles.ts'
import type { ObjectStore } from '../ports.ts'
import { publicKeyObject } from '../trust/keys.ts'
import { LogTree } from './log-tree.ts'

const PREFIX = 'log'
export const CHECKPOINT = `${PREFIX}/checkpoint`
const MAX_TILE_BYTES = TILE_WIDTH * HASH_BYTES
const MAX_BUNDLE_BYTES = TILE_WIDTH * (2 + MAX_ENTRY_BYTES)

export const keyOf = (tile: Tile): string => `${PREFIX}/${tilePath(tile)}`

/** What a log needs of node:crypto. */
export const logCrypto: Pick<Log, 'sha256' | 'verify'> = {
  sha256: (bytes) => new Uint8Array(createHash('sha256').update(bytes).digest()),
  verify: (key, message, signature) => verify(null, message, publicKeyObject(key), signature),
}

/** `note`: the checkpoint as the log wrote it. `version`: the store's name of it. */
export type LogState = Checkpoint & { note: string; version: string | undefined }

export class LogReader {
  readonly log: Log
  private readonly store: Pick<ObjectStore, 'get'>

  constructor(store: Pick<ObjectStore, 'get'>, log: Log) {
    this.store = store
    this.log = log
  }

  /** What the log is now. Undefined = it has no checkpoint yet. Throws Failure('log-damaged'). */
  async checkpoint(): Promise<LogState | undefined> {
    const object = await this.store.get(CHECKPOINT, MAX_NOTE_BYTES)
    if (object === undefined) return undefined
    const note = Buffer.from(object.bytes).toString('utf8')
    const checkpoint = readCheckpoint(note, this.log)
    if (!checkpoint) throw new Failure('log-damaged', 'the checkpoint in the store is not of this log')
    return { ...checkpoint, note, version: object.version }
  }

  tree(size: number): LogTree {
    return new LogTree(size, this.log.sha256, (tile) => this.tile(tile))
  }

  /** All entries of the bundle that has this index, in a tree of `size`, by the hashes of their tile. */
  async entries(index: number, size: number): Promise<Uint8Array[]> {
    const place = tileAt('entries', index, size)
    const entries = await this.bundle(place)
    const leaves = Buffer.concat(entries.map((entry) => leafHash(this.log.sha256, entry)))
    if (!sameBytes(leaves, await this.tile(tileAt(0, index, size))))
      throw new Failure('log-damaged', `${keyOf(place)} has not the entries of the tile beside it`)
    return entries
  }

  async tile(tile: Tile): Promise<Uint8Array> {
    const bytes = await this.object(tile, MAX_TILE_BYTES)
    if (bytes.length !== tile.width * HASH_BYTES)
      throw new Failure('log-damaged', `${keyOf(tile)} has not the bytes of ${tile.width} hashes`)
    return bytes
  }

  async bundle(tile: Tile): Promise<Uint8Array[]> {
    const entries = parseBundle(await this.object(tile, MAX_BUNDLE_BYTES), tile.width)
    if (!entries) throw new Failure('log-damaged', `${keyOf(tile)} has not ${tile.width} entries`)
    return entries
  }

  private async object(tile: Tile, maxBytes: number): Promise<Uint8Array> {
    const object = await this.store.get(keyOf(tile), maxBytes)
    if (!object) throw new Failure('log-damaged', `${keyOf(tile)} is not in the store`)
    return object.bytes
  }
}
