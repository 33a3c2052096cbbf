import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { type DiskQueue, openDiskQueue } from '../../../../infra/local/disk-queue.ts'
import { retryDelay } from '../../../../pipelines/delivery.ts'
import { manualClock } from '../../../fakes/keys.ts'

const validate = (digit: string) => ({ stage: 'validate' as const, commit: digit.repeat(40) })

let directory = ''
let clock = manualClock()
const open: DiskQueue[] = []

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'heddle-queue-'))
  clock = manualClock()
})
afterEach(async () => {
  for (const queue of open.splice(0)) queue.close()
  await rm(directory, { recursive: true, force: true })
})

async function start(): Promise<DiskQueue> {
  const queue = await openDiskQueue(directory, clock)
  open.push(queue)
  return queue
}

/** What a killed process leaves: everything on the disk, and the lock let go of by the kernel. */
async function killAndStart(queue: DiskQueue): Promise<DiskQueue> {
  queue.close()
  return start()
}

describe('disk queue', () => {
  it('gives a message until it is acknowledged, and then never again', async () => {
    const queue = await start()
    await queue.send(validate('1'))
    const message = await queue.take('validate')
    assert.deepEqual([message?.deliveries, JSON.parse(message?.body ?? '')], [1, validate('1')])
    assert.equal(await queue.take('validate'), undefined)
    if (message !== undefined) await queue.acknowledge('validate', message)
    assert.equal(await (await killAndStart(queue)).take('validate'), undefined)
  })

  it('gives a message again, with its count, when its taker was killed', async () => {
    let queue = await start()
    await queue.send(validate('1'))
    for (const deliveries of [1, 2, 3]) {
      assert.equal((await queue.take('validate'))?.deliveries, deliveries)
      queue = await killAndStart(queue)
    }
  })

  it('keeps what was sent before a kill, delays included', async () => {
    let queue = await start()
    await queue.send(validate('1'), 500)
    await queue.send(validate('2'))
    queue = await killAndStart(queue)
    assert.match((await queue.take('validate'))?.body ?? '', /2222/)
    assert.equal(await queue.take('validate'), undefined)
    assert.equal(queue.nextDue('validate'), clock.now().getTime() + 500)
    clock.advance(500)
    assert.match((await queue.take('validate'))?.body ?? '', /1111/)
  })

  it('makes one message of equal events that wait, and two when the first is taken already', async () => {
    const queue = await start()
    await queue.send(validate('1'))
    await queue.send(validate('1'))
    assert.equal(queue.size(), 1)
    await queue.take('validate')
    await queue.send(validate('1'))
    assert.ok(await queue.take('validate'))
  })

  it('does not let a delayed event swallow an equal one that is due now', async () => {
    const queue = await start()
    await queue.send(validate('1'), 10_000)
    await queue.send(validate('1'))
    assert.ok(await queue.take('validate'))
  })

  it('gives a retried message when its delay is over, and buries what is given up', async () => {
    const queue = await start()
    await queue.send(validate('1'))
    const first = await queue.take('validate')
    if (first !== undefined) await queue.retry('validate', first, 50)
    assert.equal(await queue.take('validate'), undefined)
    clock.advance(50)
    const second = await queue.take('validate')
    assert.equal(second?.deliveries, 2)
    if (second !== undefined) await queue.bury('validate', second)
    assert.equal((await readdir(join(directory, 'validate', 'dead'))).length, 1)
    assert.equal(queue.size(), 0)
  })

  it('is open in one process at a time', async () => {
    await start()
    await assert.rejects(openDiskQueue(directory, clock), /in use/)
  })

  it('waits longer with each failure, up to a limit', () => {
    const delays = [1, 2, 3, 8, 9, 10, 1000].map(retryDelay)
    assert.deepEqual(delays, [100, 200, 400, 12_800, 25_600, 30_000, 30_000])
  })
})
