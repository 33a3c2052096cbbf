/** The demo with its objects in a real S3 server: killed while that server comes up, then played to its end. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { stackId } from '../../infra/local/foundation.ts'
import { undo } from '../../infra/local/journal.ts'
import { noRadosgw } from '../fakes/radosgw.ts'
import { leftovers } from './leftovers.ts'

const skip = process.env['HEDDLE_DEEP'] === '1' ? noRadosgw : 'a minute of demo: npm run test:deep'
const demo = fileURLToPath(new URL('../../infra/local/demo.js', import.meta.url))
const parent = mkdtempSync(join(tmpdir(), 'heddle-demo-s3-'))
// Also where every test is skipped.
process.on('exit', () => rmSync(parent, { recursive: true, force: true }))
const dir = join(parent, 'stack')
const DEADLINE_MS = 60_000
/** The demo promises 60 seconds; a machine that runs tests beside it gets this. */
const TIMEOUT_MS = 300_000
/** As they are begun: what each process of the server says. */
const MOMENTS = ['mon.log', 'osd.log', 'rgw.log']

describe('the demo on S3', { skip }, () => {
  after(() => undo(dir))

  const until = async (condition: () => boolean, what: string) => {
    const deadline = Date.now() + DEADLINE_MS
    while (!condition()) {
      assert.ok(Date.now() < deadline, `never: ${what}`)
      await pause(5)
    }
  }

  for (const file of MOMENTS) {
    test(`leaves nothing when it is killed as the server has its ${file}`, async () => {
      const child = spawn(process.execPath, [demo, '--store', 's3', '--dir', dir], { stdio: 'ignore' })
      const gone = once(child, 'close')
      await until(() => existsSync(join(dir, 'cloud/radosgw', file)), file)
      child.kill('SIGKILL')
      assert.deepEqual(await gone, [null, 'SIGKILL'])
      await until(() => leftovers(dir, stackId(dir)).length === 0, 'everything is gone')
    })
  }

  test('keeps every promise and leaves nothing', async () => {
    const run = await execa(process.execPath, [demo, '--store', 's3', '--dir', dir], {
      reject: false,
      all: true,
      timeout: TIMEOUT_MS,
    })
    assert.equal(run.exitCode, 0, run.all)
    assert.deepEqual(leftovers(dir, stackId(dir)), [])
  })
})
