import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { type Builder, programTexts } from '../../../../functions/adapters/program-texts.ts'
import { CAPACITIES_LOG2 } from '../../../../functions/compile/variants.ts'
import { testElf } from '../../../fakes/test-elf.ts'

const TEXTS = CAPACITIES_LOG2.length
let directory = ''
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'heddle-texts-'))
})
afterEach(() => rm(directory, { recursive: true, force: true }))

/** Counts what it is asked for. */
function builder(sources: string): Builder & { built: number } {
  const counting = {
    built: 0,
    fingerprint: async () => sources,
    async text(capacity: number) {
      counting.built++
      return testElf(`${sources} ${capacity}`, 'no tables')
    },
    async dispatcher() {
      counting.built++
      return testElf(sources, '')
    },
  }
  return counting
}

test('equal sources are built once, whoever asks and however often', async () => {
  const [first, second] = [builder('a'), builder('a')]
  const texts = programTexts(first, directory)
  const variants = await texts.variants()
  assert.equal(variants.length, TEXTS)
  assert.deepEqual(await texts.text(16), testElf('a 16', 'no tables'))
  assert.equal(first.built, TEXTS + 1)
  const again = programTexts(second, directory)
  assert.deepEqual(await again.variants(), variants)
  assert.deepEqual(await again.text(14), testElf('a 14', 'no tables'))
  assert.deepEqual(await again.dispatcher(), testElf('a', ''))
  assert.equal(second.built, 0)
})

test('other sources are other texts', async () => {
  const before = await programTexts(builder('a'), directory).variants()
  const changed = programTexts(builder('b'), directory)
  assert.notDeepEqual(await changed.variants(), before)
  assert.deepEqual(await changed.dispatcher(), testElf('b', ''))
  assert.deepEqual(await changed.text(14), testElf('b 14', 'no tables'))
})

test('every answer may be written into', async () => {
  const texts = programTexts(builder('a'), directory)
  const mine = await texts.text(14)
  mine.fill(7)
  assert.deepEqual(await texts.text(14), testElf('a 14', 'no tables'))
})

const DAMAGE: [what: string, damage: (file: string) => Promise<void>][] = [
  ['gone', (file) => rm(file)],
  ['empty', (file) => truncate(file, 0)],
  ['cut', (file) => truncate(file, 100)],
  ['another program', (file) => writeFile(file, testElf('evil', 'no tables'))],
  ['no program', (file) => writeFile(file, 'not an ELF')],
]

for (const [what, damage] of DAMAGE) {
  test(`a file that is ${what} is never used`, async () => {
    await programTexts(builder('a'), directory).variants()
    for (const name of await readdir(join(directory, 'a'))) await damage(join(directory, 'a', name))
    const again = builder('a')
    const texts = programTexts(again, directory)
    assert.deepEqual(await texts.text(14), testElf('a 14', 'no tables'))
    assert.deepEqual(await texts.dispatcher(), testElf('a', ''))
    assert.equal((await texts.variants()).length, TEXTS)
    assert.ok(again.built >= 2)
  })
}

test('a text whose file is damaged under a good index is built again', async () => {
  await programTexts(builder('a'), directory).variants()
  for (const file of ['inbound-14.o', 'dispatcher.o']) await damageOf(join(directory, 'a', file))
  const again = builder('a')
  const texts = programTexts(again, directory)
  assert.deepEqual(await texts.text(14), testElf('a 14', 'no tables'))
  assert.deepEqual(await texts.dispatcher(), testElf('a', ''))
  assert.equal(again.built, 2)
})

const damageOf = (file: string) => writeFile(file, testElf('evil', 'no tables'))

test('a build that failed is tried again', async () => {
  const failing = builder('a')
  let broken = true
  const texts = programTexts(
    {
      ...failing,
      text: (capacity) => (broken ? Promise.reject(new Error('no clang')) : failing.text(capacity)),
    },
    directory,
  )
  await assert.rejects(texts.variants(), /no clang/)
  broken = false
  assert.equal((await texts.variants()).length, TEXTS)
})
