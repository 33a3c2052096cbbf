import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { processesFor } from '../../../infra/ci/suites.ts'

test('files of a folder that is together are one process, but for one that is alone there', (t) => {
  const root = mkdtempSync(join(tmpdir(), 'heddle-suites-'))
  t.after(() => rmSync(root, { recursive: true, force: true }))
  mkdirSync(join(root, 'dist/test'), { recursive: true })
  const compiled = (path: string) => join(root, 'dist/test', path)
  const files = ['unit/a/1.test.js', 'unit/b/1.test.js', 'unit/b/2.test.js', 'unit/c/1.test.js'].map(compiled)
  const suite = { name: 'unit', folders: ['unit/'], concurrency: 3, together: ['unit/a/', 'unit/b/'] }
  const [together = '', ...rest] = processesFor(root, suite, files)
  assert.deepEqual(rest, [files[0], files[3]])
  assert.equal(together, compiled('together/unit-b.js'))
  const expected = [files[1], files[2]].map((file) => `await import('file://${file}')\n`)
  assert.equal(readFileSync(together, 'utf8'), expected.join(''))
})
