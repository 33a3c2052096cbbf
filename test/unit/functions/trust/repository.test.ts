import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { Metadata, Targets } from '@tufjs/models'
import type { Updater } from 'tuf-js'
import type { ObjectStore } from '../../../../functions/ports.ts'
import { readAuthority } from '../../../../functions/trust/authority.ts'
import { encode, sign } from '../../../../functions/trust/metadata.ts'
import { Repository } from '../../../../functions/trust/repository.ts'
import { loadCurrent } from '../../../../functions/trust/repository-state.ts'
import { Failure } from '../../../../pipelines/contract/failures.ts'
import { metadataKey } from '../../../../pipelines/contract/object-keys.ts'
import { type AllKeys, manualClock, memoryKeys, systemClock } from '../../../fakes/keys.ts'
import { memoryStore } from '../../../fakes/memory-store.ts'
import { publishedRepository } from '../../../fakes/published-repository.ts'
import { tufReader } from '../../../fakes/tuf-reader.ts'

const directories: string[] = []
after(() => Promise.all(directories.map((path) => rm(path, { recursive: true, force: true }))))

/** An independent client: tuf-js over the store, with the pinned root. */
async function client(store: ObjectStore, root: Uint8Array): Promise<Updater> {
  const directory = await mkdtemp(join(tmpdir(), 'heddle-tuf-'))
  directories.push(directory)
  await writeFile(join(directory, 'root.json'), root)
  return tufReader(store, directory)
}

const target = (path: string, value: number) => ({ path, bytes: encode({ value }) })
const code = { small: `sha256:${'a'.repeat(64)}` } as const
const dispatcher = new Uint8Array([1, 2, 3])
const timestampOf = (store: ReturnType<typeof memoryStore>) =>
  JSON.parse(Buffer.from(store.objects.get('tuf/timestamp.json') ?? []).toString())

describe('TUF repository', () => {
  it('is accepted by tuf-js, from the pinned root to the targets of each role', async () => {
    const { store, root, repository } = await publishedRepository({ store: memoryStore(), code, dispatcher })
    await repository.update(() => ({
      policy: { put: [target('policy/p.json', 1)] },
      release: { put: [target('release/ring-0.json', 2)] },
    }))
    const updater = await client(store, root)
    await updater.refresh()
    for (const path of ['code/small.json', 'code/dispatcher.o', 'policy/p.json', 'release/ring-0.json']) {
      assert.equal((await updater.getTargetInfo(path))?.path, path)
    }
    assert.equal(await updater.getTargetInfo('policy/other.json'), undefined)
  })

  it('needs all keys of a threshold', async () => {
    const keys = memoryKeys(2)
    const { store, root } = await publishedRepository({ store: memoryStore(), code, dispatcher, keys })
    await (await client(store, root)).refresh()
    const half = { ...keys, timestamp: { signers: keys.timestamp.signers.slice(1), threshold: 1 } }
    await assert.rejects(
      new Repository({ store, keys: half, clock: systemClock, trustedRoot: root }).refresh(),
      (error) => error instanceof Failure && /^timestamp key [0-9a-f]{64}$/.test(error.detail.join()),
    )
  })

  it('refuses a threshold that one key would have to meet twice', async () => {
    const keys = memoryKeys()
    const twice = [...keys.policy.signers, ...keys.policy.signers]
    const options = { store: memoryStore(), code, dispatcher }
    await assert.rejects(
      publishedRepository({ ...options, keys: { ...keys, policy: { signers: twice, threshold: 2 } } }),
      RangeError,
    )
  })

  it('writes nothing when nothing changes', async () => {
    const store = memoryStore()
    const { repository } = await publishedRepository({ store, code, dispatcher })
    await repository.update(() => ({ policy: { put: [target('policy/p.json', 1)] } }))
    const before = new Map(store.objects)
    await repository.update(() => ({
      policy: { put: [target('policy/p.json', 1)], drop: ['policy/none.json'] },
    }))
    assert.deepEqual(store.objects, before)
  })

  it('loses no target when writers race', async () => {
    const { store, root, repository } = await publishedRepository({ store: memoryStore(), code, dispatcher })
    const paths = Array.from({ length: 6 }, (_, index) => `policy/${index}.json`)
    await Promise.all(
      paths.map((path, index) => repository.update(() => ({ policy: { put: [target(path, index)] } }))),
    )
    const updater = await client(store, root)
    for (const path of paths) assert.equal((await updater.getTargetInfo(path))?.path, path)
  })

  it('goes on after a writer has died at any of its writes, and versions only grow', async () => {
    const inner = memoryStore()
    const { root, keys } = await publishedRepository({ store: inner, code, dispatcher })
    let version = timestampOf(inner).signed.version
    for (let survived = 0; survived < 6; survived++) {
      let left = survived
      const dies = async <T>(write: () => Promise<T>): Promise<T> => {
        if (left-- === 0) throw new Error('killed')
        return write()
      }
      const store: ObjectStore = {
        get: inner.get,
        create: (key, bytes) => dies(() => inner.create(key, bytes)),
        replace: (key, bytes, ifVersion) => dies(() => inner.replace(key, bytes, ifVersion)),
      }
      const put = (path: string) => () => ({ policy: { put: [target(path, survived)] } })
      const change = put(`policy/${survived}.json`)
      await new Repository({ store, keys, clock: systemClock, trustedRoot: root })
        .update(change)
        .catch((error: Error) => {
          assert.equal(error.message, 'killed')
        })
      // Not the same change: the dead writer's numbered files hold something else.
      await new Repository({ store: inner, keys, clock: systemClock, trustedRoot: root }).update(
        put(`policy/other-${survived}.json`),
      )
      await new Repository({ store: inner, keys, clock: systemClock, trustedRoot: root }).update(change)
      const updater = await client(inner, root)
      assert.ok(await updater.getTargetInfo(`policy/${survived}.json`))
      assert.ok(timestampOf(inner).signed.version > version)
      version = timestampOf(inner).signed.version
    }
  })

  it('makes the whole repository even when the ceremony dies at any of its writes', async () => {
    const keys = memoryKeys()
    for (let survived = 0; survived < 12; survived++) {
      const inner = memoryStore()
      let left = survived
      const create: ObjectStore['create'] = async (key, bytes) => {
        if (left-- === 0) throw new Error('killed')
        return inner.create(key, bytes)
      }
      await publishedRepository({ store: { ...inner, create }, code, dispatcher, keys }).catch(
        () => undefined,
      )
      const { root } = await publishedRepository({ store: inner, code, dispatcher, keys })
      assert.ok(await (await client(inner, root)).getTargetInfo('code/small.json'))
    }
  })

  it('signs timestamp, snapshot and roles anew in time, and not before', async () => {
    const clock = manualClock()
    const store = memoryStore()
    const { repository } = await publishedRepository({ store, code, dispatcher, clock })
    const first = timestampOf(store).signed
    clock.advance(5 * 3_600_000)
    await repository.refresh()
    assert.deepEqual(timestampOf(store).signed, first)
    clock.advance(2 * 3_600_000)
    await repository.refresh()
    const second = timestampOf(store).signed
    assert.equal(second.version, first.version + 1)
    assert.deepEqual(second.meta, first.meta)
    clock.advance(20 * 24 * 3_600_000)
    await repository.refresh()
    const third = timestampOf(store).signed
    assert.ok(third.meta['snapshot.json'].version > second.meta['snapshot.json'].version)
    assert.ok(
      store.objects.has(metadataKey('3.policy.json')) || store.objects.has(metadataKey('2.policy.json')),
    )
  })

  const tampered = [
    ['timestamp.json', 'signed by a stranger'],
    ['snapshot.json', 'changed after it was signed'],
    ['policy.json', 'changed after it was signed'],
    ['code.json', 'changed after it was signed'],
  ] as const
  for (const [file, how] of tampered) {
    it(`puts no signature on top of a ${file} ${how}`, async () => {
      const store = memoryStore()
      const { repository } = await publishedRepository({ store, code, dispatcher })
      for (const [key, bytes] of store.objects) {
        if (!key.endsWith(file)) continue
        const metadata = JSON.parse(Buffer.from(bytes).toString())
        metadata.signed.expires = '2100-01-01T00:00:00Z'
        store.objects.set(key, encode(metadata))
      }
      await assert.rejects(
        repository.update(() => ({ release: { put: [target('release/ring-0.json', 1)] } })),
        (error) => error instanceof Failure && error.code === 'metadata-untrusted',
      )
    })
  }

  const forged = [
    ['code', 'another role’s key', (keys: AllKeys) => keys.policy.signers],
    ['code', 'no key', () => []],
    ['targets', 'an online key', (keys: AllKeys) => keys.timestamp.signers],
  ] as const
  for (const [role, by, signersOf] of forged) {
    it(`names no ${role} that ${by} has signed, and goes on with what stands`, async () => {
      const store = memoryStore()
      const { keys, repository, root } = await publishedRepository({ store, code, dispatcher })
      const last = (await readAuthority(store, root))[role].metadata.signed
      const metadata = new Metadata(new Targets({ ...last, version: last.version + 1, targets: {} }))
      store.objects.set(
        metadataKey(`${last.version + 1}.${role}.json`),
        await sign(metadata, signersOf(keys)),
      )
      await repository.update(() => ({ policy: { put: [target('policy/p.json', 1)] } }))
      const { snapshot } = await loadCurrent(store, keys)
      assert.equal(snapshot?.signed.meta[`${role}.json`]?.version, last.version)
      assert.ok(await (await client(store, root)).getTargetInfo('policy/p.json'))
    })
  }

  it('names no older targets under a newer number, which nodes would refuse', async () => {
    const store = memoryStore()
    const { keys, repository } = await publishedRepository({ store, code, dispatcher })
    const first = store.objects.get(metadataKey('1.targets.json'))
    assert.ok(first)
    store.objects.set(metadataKey('2.targets.json'), first)
    await repository.update(() => ({ policy: { put: [target('policy/p.json', 1)] } }))
    assert.equal((await loadCurrent(store, keys)).snapshot?.signed.meta['targets.json']?.version, 1)
  })
})
