import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { stackId } from '../../infra/local/foundation.ts'
import { leftovers } from '../e2e/leftovers.ts'

const MAIN = fileURLToPath(new URL('./main.js', import.meta.url))
const PATIENCE_MS = 30_000
const parent = mkdtempSync(join(tmpdir(), 'heddle-ending-'))
after(() => rmSync(parent, { recursive: true, force: true }))

/** Starts a suite, and ends it by `signal` once `file` is in the folder of its stack. */
async function interrupted(args: string[], file: string, signal: NodeJS.Signals) {
  const run = execa(process.execPath, [MAIN, ...args], {
    reject: false,
    all: true,
    env: { TMPDIR: parent },
    forceKillAfterDelay: false,
  })
  const deadline = Date.now() + PATIENCE_MS
  let dir: string | undefined
  while (dir === undefined || !existsSync(join(dir, file))) {
    assert.ok(Date.now() < deadline && run.exitCode === null, 'it has not begun')
    await sleep(20)
    const [place] = readdirSync(parent)
    if (place !== undefined) dir = join(parent, place, 'stack')
  }
  run.kill(signal)
  const { exitCode, all } = await run
  assert.deepEqual(readdirSync(parent), [], all)
  return { exitCode, left: leftovers(dir, stackId(dir)) }
}

const skip = process.getuid?.() === 0 ? false : 'namespaces need root'

describe('a benchmark', () => {
  test('that has namespaces ends by SIGTERM while it waits for a load, and leaves nothing', {
    skip,
  }, async () => {
    const args = ['datapath', '--only', '^direct-local/64/1024$']
    assert.deepEqual(await interrupted(args, 'nodes/direct-local/near/heads', 'SIGTERM'), {
      exitCode: 143,
      left: [],
    })
  })

  test('that waits for nothing ends by SIGINT, and leaves nothing', async () => {
    const args = ['history', '--only', '/1000-rollouts$']
    assert.deepEqual(await interrupted(args, 'history-1000', 'SIGINT'), { exitCode: 130, left: [] })
  })
})
