import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { staleFiles } from '../../../infra/ci/generated-fresh.ts'

let root = ''
before(async () => {
  root = await mkdtemp(join(tmpdir(), 'heddle-fresh-'))
  await writeFile(join(root, 'made.txt'), 'new')
  await writeFile(
    join(root, 'generator.mjs'),
    "import fs from 'node:fs'; fs.writeFileSync(process.argv[2], 'new')",
  )
  await writeFile(join(root, 'broken.mjs'), 'throw new Error("no clang")')
})
after(() => rm(root, { recursive: true }))

const TABLE: [string, string, string, RegExp][] = [
  ['what its generator makes is fresh', 'new', 'generator.mjs', /^$/],
  ['anything else is stale', 'newer', 'generator.mjs', /^made.txt is stale, run: npm run generate$/],
  ['so is what was cut off', 'ne', 'generator.mjs', /^made.txt is stale/],
  [
    'a generator that fails makes nothing fresh',
    'new',
    'broken.mjs',
    /^made.txt can't be made again: .*no clang/s,
  ],
]
for (const [name, content, generator, said] of TABLE) {
  test(name, async () => {
    await writeFile(join(root, 'made.txt'), content)
    assert.match(await staleFiles(root, [{ file: 'made.txt', generator }]), said)
  })
}
