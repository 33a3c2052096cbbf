/** A cache of metadata that is damaged: the node mends it by itself, and nobody can send it back in time by it. */
import assert from 'node:assert/strict'
import { copyFile, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { openDisk } from '../../../../agent/disk.ts'
import { pinMetadata, readMetadata } from '../../../../agent/trust/kept-metadata.ts'
import { metadataKey } from '../../../../pipelines/contract/object-keys.ts'
import { forger } from '../../../fakes/forger.ts'
import { eachTestAt, fleet, refused } from './refusal.ts'

const COPIES = ['metadata.json', 'metadata.copy.json']
eachTestAt(1)

const file = (name: string) => join(fleet.directory, name)
const pinned = () => Buffer.from(fleet.published.root).toString()
const kept = () => readMetadata(openDisk(fleet.directory), pinned())
const damage = (name: string) => writeFile(file(name), '{"schema":')

for (const name of COPIES) {
  test(`${name} damaged: the other copy replaces it, older metadata stays a rollback, newer is taken`, async () => {
    const old = fleet.store.objects.get(metadataKey('timestamp.json'))
    await fleet.published.release('canary', 2, await fleet.artifact('two'))
    assert.equal((await fleet.pass()).outcome, 'enforced')
    const newest = fleet.store.objects.get(metadataKey('timestamp.json'))
    assert.ok(old && newest)
    const { bundle } = await kept()
    await damage(name)
    fleet.store.objects.set(metadataKey('timestamp.json'), old)
    await refused('metadata-rollback')
    assert.deepEqual(await kept(), { bundle, whole: true, damaged: [], repinned: false })
    assert.ok(fleet.logs.some((line) => line.startsWith(`${name} was damaged`)))
    await damage(name)
    fleet.store.objects.set(metadataKey('timestamp.json'), newest)
    await fleet.published.release('canary', 3, await fleet.artifact('three'))
    assert.equal((await fleet.pass()).outcome, 'enforced')
  })

  test(`${name} with any byte changed is damaged, also where it is still JSON`, async () => {
    const good = await readFile(file(name))
    const { bundle } = await kept()
    for (let at = 0; at < good.length; at += 97) {
      const bad = Buffer.from(good)
      bad[at] = (bad[at] ?? 0) ^ 1
      await writeFile(file(name), bad)
      const read = await kept()
      assert.deepEqual(read.bundle, bundle, `byte ${at}`)
      assert.deepEqual(read.damaged, [name], `byte ${at}`)
    }
  })
}

test('a copy that a death left behind catches up at the next look, with nothing new to write', async () => {
  await copyFile(file('metadata.copy.json'), file('older'))
  await fleet.published.repository.update(() => ({ release: { drop: ['release/nobody.json'] } }))
  await fleet.published.release('canary', 2, await fleet.artifact('two'))
  await fleet.pass()
  await copyFile(file('older'), file('metadata.copy.json'))
  assert.equal((await kept()).whole, false)
  await fleet.pass()
  assert.equal((await kept()).whole, true)
})

const losses: [string, () => Promise<unknown>][] = [
  ['both copies damaged', () => Promise.all(COPIES.map(damage))],
  ['both copies gone', () => Promise.all(COPIES.map((name) => rm(file(name))))],
]
for (const [name, lose] of losses) {
  test(`${name}: a key that was rotated away does not come back; the node refuses by name, until a root is pinned`, async () => {
    const { objects, keys, putTimestamp, rotateTimestamp } = forger(fleet)
    const timestamp = await rotateTimestamp()
    assert.equal((await fleet.pass()).outcome, 'unchanged')
    const newest = objects.get(metadataKey('2.root.json'))
    assert.ok(newest)
    await lose()
    // A thief of the old key and of the store hides the rotation.
    objects.delete(metadataKey('2.root.json'))
    await putTimestamp(() => {}, keys.timestamp.signers)
    await refused('state-corrupt')
    assert.match(fleet.reports.at(-1)?.failure?.detail.join() ?? '', /heddle node enroll .*--repin/)

    const pinnedRoot = Buffer.from(newest).toString()
    await pinMetadata(openDisk(fleet.directory), pinnedRoot)
    await refused('metadata-untrusted', { pinnedRoot })
    await putTimestamp(() => {}, [timestamp])
    assert.equal((await fleet.pass({ pinnedRoot })).failure, null)
  })
}

test('both copies damaged before the first release: what was seen of roots binds all the same', async () => {
  await rm(file('releases'), { recursive: true })
  await Promise.all(COPIES.map(damage))
  await assert.rejects(kept(), { code: 'state-corrupt' })
})

test('pinning a root gives up nothing that can be read', async () => {
  const before = await kept()
  await pinMetadata(openDisk(fleet.directory), pinned())
  assert.deepEqual(await kept(), before)
})
