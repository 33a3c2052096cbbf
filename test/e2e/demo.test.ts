import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { undo } from '../../infra/local/journal.ts'
import { stackId } from '../../infra/local/foundation.ts'
import { leftovers } from './leftovers.ts'

const skip = process.getuid?.() === 0 ? false : 'namespaces need root'
const demo = fileURLToPath(new URL('../../infra/local/demo.js', import.meta.url))
const parent = mkdtempSync(join(tmpdir(), 'heddle-demo-'))
const dir = join(parent, 'stack')
/** The demo promises 60 seconds; a machine that runs tests beside it gets this. */
const TIMEOUT_MS = 300_000

describe('the demo', { skip }, () => {
  after(async () => {
    await undo(dir)
    rmSync(parent, { recursive: true, force: true })
  })

  test('runs to its end again after it was interrupted, keeps every promise and leaves nothing', async () => {
    const interrupted = execa(process.execPath, [demo, '--dir', dir], { reject: false, all: true })
    interrupted.stdout?.on('data', (chunk) => {
      if (String(chunk).includes('keep-alive connections')) interrupted.kill('SIGINT')
    })
    assert.equal((await interrupted).exitCode, 130)
    assert.deepEqual(leftovers(dir, stackId(dir)), [])

    const run = await execa(process.execPath, [demo, '--dir', dir], {
      reject: false,
      all: true,
      timeout: TIMEOUT_MS,
    })
    assert.equal(run.exitCode, 0, run.all)
    assert.deepEqual(leftovers(dir, stackId(dir)), [])
  })
})
