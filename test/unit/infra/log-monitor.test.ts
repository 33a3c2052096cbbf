/** heddle log monitor: whatever a log or its store does to what it has shown, somebody who looked before is told. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LogReader, type LogState, logCrypto } from '../../../functions/log/log-reader.ts'
import { TransparencyLog } from '../../../functions/log/transparency-log.ts'
import { lookAtLog } from '../../../infra/audit/log-monitor.ts'
import { Failure } from '../../../pipelines/contract/failures.ts'
import { logEntryBytes } from '../../../pipelines/contract/log.ts'
import type { Log } from '../../../pipelines/log/checkpoint.ts'
import { leafHash } from '../../../pipelines/log/merkle.ts'
import { formatBundle, parseBundle } from '../../../pipelines/log/tiles.ts'
import { freshSigner } from '../../fakes/forger.ts'
import { memoryStore } from '../../fakes/memory-store.ts'

/** Every damage to every tile; otherwise each damage, and each tile, once. */
const DEEP = process.env['HEDDLE_DEEP'] === '1'
const ORIGIN = 'heddle.test/log'
const signer = freshSigner()
const log: Log = { origin: ORIGIN, keys: [{ name: ORIGIN, publicKey: signer.publicKey }], ...logCrypto }
type MemoryStore = ReturnType<typeof memoryStore>

const hex = (text: string | number) => Buffer.from(String(text)).toString('hex').padStart(40, '0')
const entry = (number: string | number) => {
  const digest = `sha256:${hex(number).padStart(64, '0')}` as const
  return logEntryBytes({ artifact: digest, provenance: digest, commit: hex(number) })
}
const append = (store: MemoryStore, bytes: Uint8Array) =>
  new TransparencyLog(store, { log, signers: [signer], isEntry: () => true }).append(bytes)

/** 300 entries: two bundles, tiles of two levels. */
const grown = await (async () => {
  const store = memoryStore()
  for (let n = 0; n < 300; n++) await append(store, entry(n))
  return new Map(store.objects)
})()
function logStore(objects = grown): MemoryStore {
  const store = memoryStore()
  for (const [key, bytes] of objects) store.objects.set(key, bytes.slice())
  return store
}
/** A log with the same key that tells another history, at the given size. */
async function forked(size: number): Promise<MemoryStore> {
  const store = memoryStore()
  for (let n = 0; n < size; n++) await append(store, entry(n === 2 ? 'forked' : n))
  return store
}
const seen = async (store: MemoryStore): Promise<LogState> => {
  const now = await new LogReader(store, log).checkpoint()
  assert.ok(now)
  return now
}
const look = (store: MemoryStore, kept?: LogState, everything = false) =>
  lookAtLog(store, log, { kept, everything })
const alarm =
  (code: string, text: string | RegExp = '') =>
  (error: unknown) =>
    error instanceof Failure && error.code === code && error.message.search(text) >= 0

test('a log that only grows is consistent at every size, across the ends of tiles', async () => {
  const store = logStore()
  const first = await look(store)
  assert.equal(first.checked, 300)
  let kept = first.now
  for (let n = 300; n < 303; n++) {
    await append(store, entry(n))
    const next = await look(store, kept)
    assert.deepEqual([next.now?.size, next.checked], [n + 1, 1])
    kept = next.now
  }
  const small = memoryStore()
  assert.deepEqual(await look(small), { now: undefined, checked: 0 })
  for (let n = 0; n < 5; n++) await append(small, entry(n))
  const five = await seen(small)
  assert.equal((await look(logStore(), five)).checked, 295)
})

test('split view: another tree of the same size', async () => {
  const kept = await seen(await forked(5))
  const store = await forked(4)
  await append(store, entry('else'))
  await assert.rejects(look(store, kept), (error) => {
    assert.ok(alarm('log-split-view')(error))
    // Both notes are signed by the log: they show to anybody that it has lied.
    const { detail } = error as Failure
    assert.equal(detail.length, 2)
    assert.ok(detail.every((note) => note.startsWith(`${ORIGIN}\n5\n`)))
    return true
  })
})

test('split view: a longer log that does not begin as the one that was seen', async () => {
  const kept = await seen(await forked(5))
  await assert.rejects(look(logStore(), kept), alarm('log-split-view'))
  await assert.rejects(look(logStore(), kept, true), alarm('log-split-view'))
})

test('shrinking log: fewer entries than were seen, and no checkpoint at all', async () => {
  const store = logStore()
  const kept = await seen(store)
  await assert.rejects(look(await forked(5), kept), alarm('log-shrunk', /had 300 entries, now it shows 5/))
  store.objects.delete('log/checkpoint')
  await assert.rejects(look(store, kept), alarm('log-shrunk'))
})

test('shrinking log: an old checkpoint that is put back', async () => {
  const store = logStore()
  const old = store.objects.get('log/checkpoint') as Uint8Array
  await append(store, entry(300))
  const kept = await seen(store)
  store.objects.set('log/checkpoint', old)
  await assert.rejects(look(store, kept), alarm('log-shrunk'))
})

test('a checkpoint by another key, of another name, and none', async () => {
  const other = { ...log, keys: [{ name: ORIGIN, publicKey: freshSigner().publicKey }] }
  await assert.rejects(
    lookAtLog(logStore(), other, { kept: undefined, everything: true }),
    alarm('log-damaged'),
  )
  const named = { ...log, origin: 'heddle.other' }
  await assert.rejects(
    lookAtLog(logStore(), named, { kept: undefined, everything: true }),
    alarm('log-damaged'),
  )
  const store = logStore()
  store.objects.set('log/checkpoint', Buffer.from('hello'))
  await assert.rejects(look(store), alarm('log-damaged', /not of this log/))
})

/** The store's owner changes an entry, and the tile beside it so that it fits. */
function rewrite(store: MemoryStore, { index, tile }: { index: number; tile: string }): void {
  const [leaves, bundle] = [`log/tile/0/${tile}`, `log/tile/entries/${tile}`]
  const width = (store.objects.get(leaves)?.length ?? 0) / 32
  const entries = parseBundle(store.objects.get(bundle) ?? new Uint8Array(), width)
  assert.ok(entries)
  entries[index] = entry('else')
  store.objects.set(bundle, formatBundle(entries))
  store.objects.get(leaves)?.set(leafHash(log.sha256, entry('else')), 32 * index)
}

test('an entry that was changed together with its tile, below a whole tile and at the right edge', async () => {
  const store = logStore()
  rewrite(store, { index: 5, tile: '000' })
  await assert.rejects(look(store), alarm('log-damaged', 'tile/1/000.p/1 does not follow'))
  const edge = logStore()
  rewrite(edge, { index: 43, tile: '001.p/44' })
  await assert.rejects(look(edge), alarm('log-damaged', 'the tiles are not those of log/checkpoint'))
})

test('a damaged tile is named, whichever it is, and is no split view', async () => {
  const objects = [
    'tile/0/000',
    'tile/0/001.p/44',
    'tile/1/000.p/1',
    'tile/entries/000',
    'tile/entries/001.p/44',
  ]
  for (const [index, name] of objects.entries())
    for (const [at, how] of (['flipped', 'cut', 'gone'] as const).entries()) {
      if (!DEEP && at !== index % 3) continue
      const store = logStore()
      const bytes = store.objects.get(`log/${name}`) as Uint8Array
      bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1
      if (how === 'cut') store.objects.set(`log/${name}`, bytes.slice(0, -32))
      if (how === 'gone') store.objects.delete(`log/${name}`)
      await assert.rejects(look(store), alarm('log-damaged', /log\//), `${name} ${how}`)
      const kept = await seen(logStore())
      await assert.rejects(look(store, kept, true), alarm('log-damaged', /log\//), `${name} ${how}`)
    }
})

test('a tile in which the past was changed is damage, also where it lies left of what is new', async () => {
  const store = memoryStore()
  for (let n = 0; n < 100; n++) await append(store, entry(n))
  const kept = await seen(store)
  await append(store, entry(100))
  const tile = store.objects.get('log/tile/0/000.p/101') as Uint8Array
  tile[32 * 50] = (tile[32 * 50] ?? 0) ^ 1
  await assert.rejects(look(store, kept), alarm('log-damaged', 'entries/000.p/101'))
})

test('what is no entry is told, though the log has signed it', async () => {
  const store = logStore()
  await append(store, Buffer.from('{"schema":"heddle.log-entry/1"}'))
  await assert.rejects(look(store), alarm('log-damaged', /logged at 300/))
})
