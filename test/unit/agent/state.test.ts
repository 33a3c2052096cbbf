import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { openDisk } from '../../../agent/disk.ts'
import { openState } from '../../../agent/state.ts'
import { kernelAtLeast } from '../../../agent/trust/kernel-version.ts'

let directory: string
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'heddle-state-'))
})
after(() => rm(directory, { recursive: true, force: true }))

test('a node without a past begins afresh, and remembers what it is told', async () => {
  const disk = openDisk(join(directory, 'fresh'))
  const state = await openState(disk)
  assert.equal(state.current.accepted, null)
  await state.update({ sequence: 7 })
  assert.equal((await openState(disk)).current.sequence, 7)
})

for (const [name, text] of [
  ['half a file', '{"schema":"heddle.node-'],
  ['another schema', '{"schema":"heddle.node-state/2"}'],
  ['nothing', ''],
] as const) {
  test(`a state file that holds ${name} is refused, not begun afresh`, async () => {
    const disk = openDisk(directory)
    await writeFile(join(directory, 'state.json'), text)
    await assert.rejects(openState(disk), { code: 'state-corrupt' })
  })
}

test('a write that is stopped at any operation leaves the old file whole', async () => {
  let left = Number.POSITIVE_INFINITY
  const disk = openDisk(directory, () => {
    if (left-- <= 0) throw new Error('stopped')
  })
  await disk.write('folder/file', 'old')
  for (let operations = 0; operations < 5; operations++) {
    left = operations
    await assert.rejects(disk.write('folder/file', 'new'))
    assert.equal(Buffer.from((await disk.read('folder/file')) ?? []).toString(), 'old')
  }
  left = Number.POSITIVE_INFINITY
  await disk.write('folder/file', 'new')
  assert.deepEqual(await readdir(join(directory, 'folder')), ['file'])
})

const versions: [string, string, boolean][] = [
  ['6.18.44', '6.1', true],
  ['6.1.0-amd64', '6.1', true],
  ['6.1', '6.1.7', false],
  ['5.15.200', '6.1', false],
  ['6.9.1', '6.18', false],
  ['7.0', '6.18.3', true],
  ['weird', '6.1', false],
  ['6.18', 'weird', false],
]
for (const [release, minimum, enough] of versions) {
  test(`kernel ${release} is ${enough ? '' : 'not '}enough for ${minimum}`, () => {
    assert.equal(kernelAtLeast(release, minimum), enough)
  })
}
