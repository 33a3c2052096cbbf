import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { setImmediate as breathe, setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { stackId } from '../../infra/local/foundation.ts'
import { readJournal, undo } from '../../infra/local/journal.ts'
import { leftovers } from './leftovers.ts'

const skip = process.getuid?.() === 0 ? false : 'namespaces need root'
const demo = fileURLToPath(new URL('../../infra/local/demo.js', import.meta.url))
const parent = mkdtempSync(join(tmpdir(), 'heddle-killed-'))
const dir = join(parent, 'stack')
/** Killed as soon as the journal names so many things: from the first directory to the last mount. */
const MOMENTS =
  process.env['HEDDLE_DEEP'] === '1' ? Array.from({ length: 15 }, (_, n) => n + 1) : [1, 4, 9, 15]
const DEADLINE_MS = 60_000

async function until(condition: () => boolean, what: string): Promise<void> {
  const deadline = Date.now() + DEADLINE_MS
  while (!condition()) {
    assert.ok(Date.now() < deadline, `never: ${what}`)
    await breathe()
  }
}

describe('a demo that is killed while it comes up', { skip }, () => {
  after(async () => {
    await undo(dir)
    rmSync(parent, { recursive: true, force: true })
  })

  for (const made of MOMENTS) {
    test(`leaves nothing when it has made ${made} things`, async () => {
      const child = spawn(process.execPath, [demo, '--dir', dir], { stdio: 'ignore' })
      const gone = once(child, 'close')
      await until(() => readJournal(dir).length >= made || child.exitCode !== null, `${made} things are made`)
      child.kill('SIGKILL')
      assert.deepEqual(await gone, [null, 'SIGKILL'])
      const deadline = Date.now() + DEADLINE_MS
      while (leftovers(dir, stackId(dir)).length > 0 && Date.now() < deadline) await pause(20)
      assert.deepEqual(leftovers(dir, stackId(dir)), [])
    })
  }
})
