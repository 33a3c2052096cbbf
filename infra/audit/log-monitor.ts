/**
 * One look at a log by somebody who does not trust it: is it the log that was seen before, and has nothing been
 * taken out or changed? Entries and tiles are hashed anew, and must give the root that the log has signed.
 * Source: RFC 6962 5.3 (Monitor); https://c2sp.org/tlog-tiles
 */
import { CHECKPOINT, keyOf, LogReader, type LogState } from '../../functions/log/log-reader.ts'
import { folded } from '../../functions/log/log-tree.ts'
import type { ObjectStore } from '../../functions/ports.ts'
import { sameBytes } from '../../pipelines/bytes.ts'
import { readLogEntry } from '../../pipelines/contract/log.ts'
import { Failure } from '../../pipelines/contract/failures.ts'
import type { Log } from '../../pipelines/log/checkpoint.ts'
import { HASH_BYTES } from '../../pipelines/log/merkle.ts'
import { hashesAt, TILE_WIDTH, tileAt } from '../../pipelines/log/tiles.ts'

/** `now`: undefined = the log has no checkpoint yet. `checked`: entries that were hashed anew. */
export type Look = { now: LogState | undefined; checked: number }

/**
 * `kept`: the checkpoint that was seen before. `everything`: also what was checked by an earlier look. Throws
 * Failure('log-split-view' | 'log-shrunk' | 'log-damaged' | 'store-unavailable'); the first two with both
 * checkpoints as detail: signed as they are, they show to anybody that the log has lied.
 */
export async function lookAtLog(
  store: Pick<ObjectStore, 'get'>,
  log: Log,
  { kept, everything }: { kept: LogState | undefined; everything: boolean },
): Promise<Look> {
  const reader = new LogReader(remembering(store), log)
  const now = await reader.checkpoint()
  if (now === undefined) {
    if (kept !== undefined) throw shrunk(kept, undefined)
    return { now, checked: 0 }
  }
  const from = everything ? 0 : (kept?.size ?? 0)
  if (kept !== undefined) {
    if (now.size < kept.size) throw shrunk(kept, now)
    const tree = now.size === kept.size ? now.root : await reader.tree(now.size).root(kept.size)
    if (!sameBytes(tree, kept.root)) {
      // Tiles that are merely damaged are told as such: only then is it the log that has lied.
      if (now.size > kept.size) await checkTree(reader, now, 0)
      throw splitView(kept, now)
    }
  }
  await checkTree(reader, now, from)
  return { now, checked: now.size - from }
}

/** Entries from `from` on, and every tile above them. What is before it must be vouched for by an earlier root. */
async function checkTree(reader: LogReader, { size, root }: LogState, from: number): Promise<void> {
  for (let first = from - (from % TILE_WIDTH); first < size; first += TILE_WIDTH)
    for (const [at, entry] of (await reader.entries(first, size)).entries())
      if (first + at >= from && readLogEntry(Buffer.from(entry).toString('utf8')) === undefined)
        throw new Failure('log-damaged', `what is logged at ${first + at} is no entry`)
  for (let level = 1; hashesAt(level, size) > 0; level++)
    for (let index = hashesAt(level, from); index < hashesAt(level, size); index++) {
      const tile = tileAt(level, index, size)
      const at = (index - tile.index * TILE_WIDTH) * HASH_BYTES
      const below = await reader.tile({ level: level - 1, index, width: TILE_WIDTH })
      const hash = (await reader.tile(tile)).subarray(at, at + HASH_BYTES)
      if (!sameBytes(hash, folded(reader.log.sha256, below)))
        throw new Failure('log-damaged', `${keyOf(tile)} does not follow from the tiles below it`)
    }
  if (!sameBytes(await reader.tree(size).root(), root))
    throw new Failure('log-damaged', `the tiles are not those of ${CHECKPOINT}`)
}

/** A tile is the same for all of one look: a store that changes its mind in between shows nothing. */
function remembering(store: Pick<ObjectStore, 'get'>): Pick<ObjectStore, 'get'> {
  const seen = new Map<string, ReturnType<ObjectStore['get']>>()
  return {
    get(key, maxBytes) {
      // Bundles are large, and read once.
      if (!/\/tile\/\d/.test(key)) return store.get(key, maxBytes)
      const known = seen.get(key) ?? store.get(key, maxBytes)
      seen.set(key, known)
      return known
    },
  }
}

function shrunk(kept: LogState, now: LogState | undefined): Failure {
  const message = `the log had ${kept.size} entries, now it shows ${now?.size ?? 'no checkpoint'}`
  return new Failure('log-shrunk', message, { detail: notes(kept, now) })
}

function splitView(kept: LogState, now: LogState): Failure {
  const message = `the log has signed two histories: what it shows with ${now.size} entries does not begin as it did with ${kept.size}`
  return new Failure('log-split-view', message, { detail: notes(kept, now) })
}

function notes(kept: LogState, now: LogState | undefined): string[] {
  return [kept.note, ...(now === undefined ? [] : [now.note])]
}
