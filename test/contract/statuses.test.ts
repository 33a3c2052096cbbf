import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, it } from 'node:test'
import { openFileStatuses } from '../../functions/adapters/file-statuses.ts'
import { storeStatuses } from '../../functions/adapters/store-statuses.ts'
import { memoryStatuses } from '../fakes/memory-forge.ts'
import { memoryStore } from '../fakes/memory-store.ts'
import { statusesContract } from './statuses.ts'

const directories: string[] = []
const directory = async (): Promise<string> => {
  const path = await mkdtemp(join(tmpdir(), 'heddle-statuses-'))
  directories.push(path)
  return path
}
after(() => Promise.all(directories.map((path) => rm(path, { recursive: true, force: true }))))

statusesContract('memory', async () => memoryStatuses())
statusesContract('object store', async () => storeStatuses(memoryStore()))
statusesContract('files', async () => openFileStatuses(await directory()))

it('file statuses take only whole commit ids', async () => {
  const statuses = await openFileStatuses(await directory())
  for (const id of ['../../etc/passwd', 'HEAD', '', 'c'.repeat(39)])
    await assert.rejects(statuses.get(id), RangeError)
})
