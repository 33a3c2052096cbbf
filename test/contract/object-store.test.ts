import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { openFsStore } from '../../functions/adapters/fs-store.ts'
import { memoryStore } from '../fakes/memory-store.ts'
import { objectStoreContract } from './object-store.ts'

const directories: string[] = []
const directory = async (): Promise<string> => {
  const path = await mkdtemp(join(tmpdir(), 'heddle-store-'))
  directories.push(path)
  return path
}
after(() => Promise.all(directories.map((path) => rm(path, { recursive: true, force: true }))))

objectStoreContract('memory', async () => memoryStore())
objectStoreContract('file system', async () => openFsStore(await directory()))

describe('file-system store', () => {
  for (const key of ['../out', 'a/../b', '/root', 'a//b', '.lock', 'a/.b', 'a\0b', '', 'a'.repeat(600)]) {
    it(`refuses the key ${JSON.stringify(key.slice(0, 20))}`, async () => {
      const store = await openFsStore(await directory())
      await assert.rejects(store.get(key, 10), RangeError)
      await assert.rejects(store.create(key, new Uint8Array()), RangeError)
      await assert.rejects(store.replace(key, new Uint8Array(), undefined), RangeError)
    })
  }

  it('leaves no temporary file behind, whoever won', async () => {
    const root = await directory()
    const store = await openFsStore(root)
    await store.create('a', new Uint8Array(1))
    await store.create('a', new Uint8Array(1))
    await store.replace('b', new Uint8Array(1), undefined)
    assert.deepEqual(await readdir(join(root, '.temporary')), [])
  })

  it('shows what one opener wrote to another one', async () => {
    const root = await directory()
    const one = await openFsStore(root)
    const version = await one.replace('pointer', new Uint8Array([1]), undefined)
    const other = await openFsStore(root)
    await other.replace('pointer', new Uint8Array([2]), version)
    assert.deepEqual([...((await one.get('pointer', 9))?.bytes ?? [])], [2])
  })
})
