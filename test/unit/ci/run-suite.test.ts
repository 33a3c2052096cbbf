import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { runSuite } from '../../../infra/ci/run-suite.ts'

const dir = mkdtempSync(join(tmpdir(), 'heddle-suite-'))
after(() => rmSync(dir, { recursive: true, force: true }))

/** A suite of one file with this body. */
async function suiteOf(name: string, body: string) {
  const file = join(dir, `${name}.test.mjs`)
  writeFileSync(file, `import { describe, it, test } from 'node:test'\n${body}`)
  const lines: string[] = []
  const options = { concurrency: 1, deep: false, say: (line: string) => lines.push(line) }
  const totals = await runSuite(dir, [file], options)
  return { totals, said: lines.join('\n') }
}

// A test process inside a test process believes that it is a child of this one.
delete process.env['NODE_TEST_CONTEXT']

test('a passed test is one, the group around it none', async () => {
  const { totals } = await suiteOf(
    'passes',
    `describe('group', () => { it('a', () => {}); it('b', () => {}) })`,
  )
  assert.deepEqual({ ...totals, skips: [...totals.skips] }, { passed: 2, failed: 0, skipped: 0, skips: [] })
})

test('a failed test in a group is one failure, and is told', async () => {
  const { totals, said } = await suiteOf(
    'fails',
    `describe('group', () => { it('odd', () => { throw new Error('because') }) })`,
  )
  assert.deepEqual([totals.passed, totals.failed], [0, 1])
  assert.match(said, /FAILED odd/)
  assert.match(said, /because/)
})

test('a file that does not load is a failure', async () => {
  const { totals } = await suiteOf('broken', `throw new Error('no')`)
  assert.deepEqual([totals.passed, totals.failed], [0, 1])
})

test('a skip is no pass, and keeps its reason', async () => {
  const { totals } = await suiteOf('skips', `test('later', { skip: 'no corpus' }, () => {})`)
  assert.deepEqual([totals.passed, totals.skipped, [...totals.skips]], [0, 1, [['no corpus', 1]]])
})
