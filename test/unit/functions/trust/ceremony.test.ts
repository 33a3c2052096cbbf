/** The operator's side of trust: every ceremony may die and be held again, and too few keys sign nothing. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { ObjectStore } from '../../../../functions/ports.ts'
import { readAuthority, readRoots } from '../../../../functions/trust/authority.ts'
import { begin, extend, restart, signCode } from '../../../../functions/trust/ceremony.ts'
import { keyIdOf } from '../../../../functions/trust/keys.ts'
import { pastKeys, rotate } from '../../../../functions/trust/rotation.ts'
import type { Table } from '../../../../functions/trust/signing.ts'
import { trustStatus } from '../../../../functions/trust/trust-status.ts'
import { Failure } from '../../../../pipelines/contract/failures.ts'
import { metadataKey } from '../../../../pipelines/contract/object-keys.ts'
import { freshSigner } from '../../../fakes/forger.ts'
import { membersOf, tableOf } from '../../../fakes/init-repository.ts'
import { type AllKeys, manualClock, memoryKeys } from '../../../fakes/keys.ts'
import { memoryStore } from '../../../fakes/memory-store.ts'
import { publishedRepository } from '../../../fakes/published-repository.ts'

const CODE = [{ path: 'code/small.json', bytes: new Uint8Array([1]) }]
const clock = manualClock()

/** Keys as they are made: three of the root's, two of which must sign. */
function twoOfThree(): AllKeys {
  const signers = [freshSigner(), freshSigner(), freshSigner()]
  return { ...memoryKeys(), root: { signers, threshold: 2 } }
}
/** An operator who has only these of the root's keys at hand. */
function having(table: Table, keys: AllKeys, count: number): Table {
  const away = new Set(keys.root.signers.slice(count))
  return { ...table, keyring: table.keyring.filter((signer) => !away.has(signer)) }
}
const refusedAs = (code: string) => (error: unknown) => error instanceof Failure && error.code === code
const rootOf = (signers: readonly { publicKey: Uint8Array }[], count: number) => ({
  role: 'root' as const,
  drop: signers.slice(0, count).map(({ publicKey }) => keyIdOf(publicKey)),
  now: false,
})

/** The store dies at its n-th write. */
function dying(inner: ObjectStore, survived: number): ObjectStore {
  let left = survived
  const dies = async <T>(write: () => Promise<T>): Promise<T> => {
    if (left-- === 0) throw new Error('killed')
    return write()
  }
  return {
    get: inner.get,
    create: (key, bytes) => dies(() => inner.create(key, bytes)),
    replace: (key, bytes, ifVersion) => dies(() => inner.replace(key, bytes, ifVersion)),
  }
}

describe('the first ceremony', () => {
  it('held twice is held once; with other keys it is refused', async () => {
    const store = memoryStore()
    const keys = twoOfThree()
    const root = await begin(tableOf(store, keys, clock), membersOf(keys), CODE)
    const before = new Map(store.objects)
    assert.deepEqual(await begin(tableOf(store, keys, clock), membersOf(keys), CODE), root)
    assert.deepEqual(store.objects, before)
    const others = twoOfThree()
    await assert.rejects(
      begin(tableOf(store, others, clock), membersOf(others), CODE),
      refusedAs('metadata-untrusted'),
    )
    assert.deepEqual(store.objects, before)
  })

  it('needs the threshold of the root at hand, and names the keys that are not', async () => {
    const keys = twoOfThree()
    const store = memoryStore()
    const table = tableOf(store, keys, clock)
    await assert.rejects(begin(having(table, keys, 1), membersOf(keys), CODE), (error) => {
      const away = keys.root.signers.slice(1).map(({ publicKey }) => `not at hand: ${keyIdOf(publicKey)}`)
      return error instanceof Failure && error.detail.join() === away.join()
    })
    assert.equal(store.objects.size, 0)
    await begin(having(table, keys, 2), membersOf(keys), CODE)
  })

  it('signs for no role with less keys than its threshold, one key given twice among them', async () => {
    const keys = twoOfThree()
    const [first] = keys.root.signers
    assert.ok(first)
    const twice = { ...keys, root: { signers: [first, first], threshold: 2 } }
    await assert.rejects(begin(tableOf(memoryStore(), twice, clock), membersOf(twice), CODE), RangeError)
  })
})

describe('every later ceremony', () => {
  const ceremonies: [string, (table: Table, root: Uint8Array, keys: AllKeys) => Promise<unknown>][] = [
    [
      'code',
      (table, root) =>
        signCode(table, root, [...CODE, { path: 'code/big.json', bytes: new Uint8Array([2]) }]),
    ],
    ['extension', (table, root) => extend(table, root, ['root', 'targets', 'code'])],
  ]
  for (const [name, hold] of ceremonies) {
    it(`${name}: dies at any of its writes, is held again, and all of it stands`, async () => {
      for (let survived = 0; survived < 5; survived++) {
        const store = memoryStore()
        const keys = twoOfThree()
        const table = tableOf(store, keys, clock)
        const root = await begin(table, membersOf(keys), CODE)
        const before = await readAuthority(store, root)
        await hold({ ...table, store: dying(store, survived) }, root, keys).catch((error: Error) => {
          assert.equal(error.message, 'killed')
        })
        await readAuthority(store, root)
        await hold(table, root, keys)
        const after = await readAuthority(store, root)
        assert.ok(after.code.metadata.signed.version > before.code.metadata.signed.version)
      }
    })
  }

  it('extension signs only what has lived half of its life', async () => {
    const time = manualClock()
    const keys = twoOfThree()
    const table = { ...tableOf(memoryStore(), keys, time) }
    const root = await begin(table, membersOf(keys), CODE)
    assert.deepEqual(await extend(table, root), [])
    time.advance(200 * 24 * 3_600_000)
    assert.deepEqual(await extend(table, root), ['root', 'targets', 'code'])
    assert.deepEqual(await extend(table, root), [])
  })

  it('one root key is lost: the two others put another in its place; one alone can’t', async () => {
    const store = memoryStore()
    const keys = twoOfThree()
    const fresh = freshSigner()
    const all = tableOf(store, keys, clock)
    const root = await begin(all, membersOf(keys), CODE)
    const rotation = { ...rootOf(keys.root.signers.slice(2), 1), fresh: [fresh.publicKey] }
    const table = (count: number) => {
      const few = having(all, keys, count)
      return { ...few, keyring: [...few.keyring, fresh] }
    }
    await assert.rejects(rotate(table(1), root, rotation), refusedAs('metadata-untrusted'))
    assert.equal((await readRoots(store, root)).length, 1)
    assert.equal((await rotate(table(2), root, rotation)).state, 'rotated')
    const [, second] = await readRoots(store, root)
    assert.equal(second?.signed.roles['root']?.threshold, 2)
    assert.ok(second?.signed.roles['root']?.keyIDs.includes(keyIdOf(fresh.publicKey)))
  })

  it('a key that a role once had is known for ever, whoever the root was', async () => {
    const store = memoryStore()
    const keys = twoOfThree()
    const table = tableOf(store, keys, clock)
    const root = await begin(table, membersOf(keys), CODE)
    const fresh = [freshSigner(), freshSigner()]
    const members = { keys: fresh.map(({ publicKey }) => publicKey), threshold: 2 }
    await restart({ ...table, keyring: fresh }, { trustedRoot: root, members })
    const past = await pastKeys(store, 'root')
    for (const { publicKey } of [...keys.root.signers, ...fresh]) assert.ok(past.has(keyIdOf(publicKey)))
  })

  it('a root that somebody else has put in the way is said by name, and a new root of trust goes around it', async () => {
    const store = memoryStore()
    const keys = twoOfThree()
    const table = tableOf(store, keys, clock)
    const root = await begin(table, membersOf(keys), CODE)
    store.objects.set(metadataKey('2.root.json'), Buffer.from('{"signed":{}}'))
    await assert.rejects(
      extend(table, root, ['root']),
      (error) => refusedAs('metadata-untrusted')(error) && /tuf\/2\.root\.json/.test(String(error)),
    )
    const fresh = freshSigner()
    const members = { keys: [fresh.publicKey], threshold: 1 }
    const third = await restart({ ...table, keyring: [fresh] }, { trustedRoot: root, members })
    assert.equal(JSON.parse(Buffer.from(third).toString()).signed.version, 3)
    assert.equal((await readAuthority(store, third)).root.signed.version, 3)
  })
})

describe('the status of trust', () => {
  it('tells keys, thresholds, what expires next, what is old, and what the functions have not taken over', async () => {
    const time = manualClock()
    const store = memoryStore()
    const keys = twoOfThree()
    const { root, repository } = await publishedRepository({
      store,
      code: {},
      dispatcher: new Uint8Array(1),
      keys,
      clock: time,
    })
    const status = () => trustStatus(store, root, time)
    const fresh = await status()
    assert.deepEqual(new Set(fresh.roles.map(({ state }) => state)), new Set(['good']))
    assert.deepEqual([fresh.roles[0]?.threshold, fresh.roles[0]?.keys.length], [2, 3])
    assert.equal(fresh.next?.role, 'timestamp')
    assert.deepEqual(fresh.waiting, [])

    await extend(tableOf(store, keys, time), root, ['targets', 'root'])
    assert.deepEqual((await status()).waiting, ['targets 2'])
    assert.deepEqual((await status()).root, { trusted: 1, newest: 2 })
    await repository.refresh()
    assert.deepEqual((await status()).waiting, [])

    time.advance(13 * 3_600_000)
    const state = async (role: string) => (await status()).roles.find((entry) => entry.role === role)?.state
    assert.equal(await state('timestamp'), 'expired')
    time.advance(200 * 24 * 3_600_000)
    assert.equal(await state('root'), 'ageing')
    const timestamp = freshSigner()
    const drop = keys.timestamp.signers.map(({ publicKey }) => keyIdOf(publicKey))
    const rotation = { role: 'timestamp' as const, drop, fresh: [timestamp.publicKey], now: true }
    await rotate(tableOf(store, keys, time), root, rotation)
    assert.equal(await state('timestamp'), 'unsigned')
  })
})
