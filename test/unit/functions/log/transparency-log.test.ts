/** The log in an object store: proofs of it are checked as a stranger would, against a tree built by the RFC's words. */
import assert from 'node:assert/strict'
import { createHash, generateKeyPairSync } from 'node:crypto'
import { describe, it } from 'node:test'
import { logCrypto } from '../../../../functions/log/log-reader.ts'
import { TransparencyLog } from '../../../../functions/log/transparency-log.ts'
import type { ObjectStore } from '../../../../functions/ports.ts'
import { Failure } from '../../../../pipelines/contract/failures.ts'
import { type Log, provenIn, readCheckpoint } from '../../../../pipelines/log/checkpoint.ts'
import { leafHash, nodeHash } from '../../../../pipelines/log/merkle.ts'
import { formatBundle, parseBundle } from '../../../../pipelines/log/tiles.ts'
import { memorySigner } from '../../../../functions/adapters/dev-keys.ts'
import { memoryStore } from '../../../fakes/memory-store.ts'

const ORIGIN = 'heddle.example/policies'
const sha256 = (bytes: Uint8Array) => new Uint8Array(createHash('sha256').update(bytes).digest())
const entry = (number: number | string) => new Uint8Array(Buffer.from(`entry ${number}`))
const signer = memorySigner(generateKeyPairSync('ed25519').privateKey)
const log: Log = { origin: ORIGIN, keys: [{ name: ORIGIN, publicKey: signer.publicKey }], ...logCrypto }
const open = (store: ObjectStore) =>
  new TransparencyLog(store, { log, signers: [signer], isEntry: (bytes) => bytes.length > 0 })

/** MTH of RFC 6962 2.1, to the letter. */
function treeHash(entries: readonly Uint8Array[]): Uint8Array {
  if (entries.length === 0) return sha256(new Uint8Array())
  if (entries.length === 1) return leafHash(sha256, entries[0] as Uint8Array)
  let k = 1
  while (k * 2 < entries.length) k *= 2
  return nodeHash(sha256, treeHash(entries.slice(0, k)), treeHash(entries.slice(k)))
}

const checkpointIn = (store: ReturnType<typeof memoryStore>) =>
  readCheckpoint(Buffer.from(store.objects.get('log/checkpoint') ?? []).toString(), log)

const sizes = new Map<number, Map<string, Uint8Array>>([[0, new Map()]])

/** A log of so many entries, in a store of its own; it grows from the largest one that was asked for before. */
async function grown(count: number) {
  const store = memoryStore()
  const own = open(store)
  const from = Math.max(...[...sizes.keys()].filter((size) => size <= count))
  for (const [path, bytes] of sizes.get(from) ?? []) store.objects.set(path, bytes)
  for (let n = from; n < count; n++) await own.append(entry(n))
  sizes.set(count, new Map(store.objects))
  return { store, own }
}

/** Dies at the call of that number, before or after it took effect. */
function dying(store: ObjectStore, at: number, after: boolean): ObjectStore {
  let calls = 0
  const mortal =
    <A extends unknown[], R>(call: (...given: A) => Promise<R>) =>
    async (...given: A): Promise<R> => {
      const dies = ++calls === at
      if (dies && !after) throw new Error('killed')
      const result = await call(...given)
      if (dies) throw new Error('killed')
      return result
    }
  return {
    get: mortal(store.get.bind(store)),
    create: mortal(store.create.bind(store)),
    replace: mortal(store.replace.bind(store)),
  }
}

const damaged = (error: unknown) => error instanceof Failure && error.code === 'log-damaged'

describe('transparency log', () => {
  it('every entry has a proof from the size at which it came, also across the ends of tiles', async () => {
    const { store, own } = await grown(0)
    const entries: Uint8Array[] = []
    for (let n = 0; n < 300; n++) {
      entries.push(entry(n))
      if (n === 255 || n === 256) sizes.set(n, new Map(store.objects))
      const proof = await own.append(entry(n))
      const shown = provenIn(log, entry(n), proof)
      assert.ok(shown, `entry ${n}`)
      assert.equal(shown.size, n + 1)
      if (n < 20 || n % 50 === 0 || Math.abs((n % 256) - 255) < 3)
        assert.deepEqual(shown.root, treeHash(entries))
      assert.equal(provenIn(log, entry(n + 1), proof), undefined)
    }
    // The names that c2sp.org/tlog-tiles gives to a tree of this size.
    for (const path of ['0/000', '0/001.p/44', '1/000.p/1', 'entries/000', 'entries/001.p/44'])
      assert.ok(store.objects.has(`log/tile/${path}`), path)
    const bundle = parseBundle(store.objects.get('log/tile/entries/000') as Uint8Array, 256)
    assert.deepEqual(bundle, entries.slice(0, 256))
  })

  it('an entry that is there is proven, not logged again', async () => {
    const { store, own } = await grown(5)
    assert.ok(provenIn(log, entry(2), await own.append(entry(2))))
    assert.equal(checkpointIn(store)?.size, 5)
  })

  for (const size of [0, 3, 255, 256])
    it(`killed at any call at size ${size}: the next writer goes on, nothing is lost or forked`, async () => {
      for (let at = 1; ; at++)
        for (const after of [false, true]) {
          const { store } = await grown(size)
          const died = await open(dying(store, at, after))
            .append(entry('dying'))
            .then(
              () => false,
              () => true,
            )
          if (!died) return
          const next = open(store)
          assert.ok(provenIn(log, entry('next'), await next.append(entry('next'))))
          assert.ok(provenIn(log, entry('dying'), await next.append(entry('dying'))))
          assert.equal(checkpointIn(store)?.size, size + 2)
        }
    })

  it('twenty writers at once: each has its proof, and there is one tree', async () => {
    const store = memoryStore()
    const proofs = await Promise.all(Array.from({ length: 20 }, (_, n) => open(store).append(entry(n))))
    for (const [n, proof] of proofs.entries()) assert.ok(provenIn(log, entry(n), proof), `entry ${n}`)
    assert.equal(checkpointIn(store)?.size, 20)
  })

  it('an old checkpoint that is put back forks nothing: the same entries come again', async () => {
    const { store, own } = await grown(10)
    const old = store.objects.get('log/checkpoint') as Uint8Array
    await own.append(entry(10))
    await own.append(entry(11))
    const then = checkpointIn(store)
    store.objects.set('log/checkpoint', old)
    await own.append(entry('new'))
    assert.equal(checkpointIn(store)?.size, 13)
    const entries = Array.from({ length: 12 }, (_, n) => entry(n))
    assert.deepEqual(then?.root, treeHash(entries))
    assert.deepEqual(checkpointIn(store)?.root, treeHash([...entries, entry('new')]))
  })

  it('what somebody else has put into the store is not built upon', async () => {
    const { store, own } = await grown(300)
    const clean = new Map(store.objects)
    const forged = {
      'log/checkpoint': `${ORIGIN}\n300\n${Buffer.alloc(32).toString('base64')}\n\n— ${ORIGIN} AAAAAAAA\n`,
      'log/tile/0/001.p/44': Buffer.alloc(44 * 32),
      'log/tile/1/000.p/1': Buffer.alloc(32),
      'log/tile/entries/001.p/44': Buffer.alloc(88),
      'log/tile/0/001.p/45': Buffer.alloc(45 * 32),
      'log/tile/entries/001.p/45': Buffer.alloc(90),
      'log/tile/entries/001.p/46': undefined,
    }
    for (const [key, bytes] of Object.entries(forged)) {
      store.objects.clear()
      for (const [path, was] of clean) store.objects.set(path, was)
      if (bytes === undefined) store.objects.delete('log/tile/0/001.p/44')
      else store.objects.set(key, Buffer.from(bytes))
      await assert.rejects(own.append(entry('x')), damaged, key)
    }
  })

  it('what another writer left that is no entry is not signed, and named', async () => {
    const { store, own } = await grown(3)
    const bundle = formatBundle([entry(0), entry(1), entry(2), new Uint8Array()])
    store.objects.set('log/tile/entries/000.p/4', bundle)
    await assert.rejects(own.append(entry(3)), damaged)
    assert.equal(checkpointIn(store)?.size, 3)
    store.objects.delete('log/tile/entries/000.p/4')
    assert.ok(provenIn(log, entry(3), await own.append(entry(3))))
  })
})
