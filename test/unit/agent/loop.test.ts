import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startLoop, type Timer } from '../../../agent/loop.ts'

/** A timer that a test fires, and passes that end when a test says so. */
function world() {
  let due: (() => void) | undefined
  const delays: number[] = []
  let chance = 0.5
  let now = 0
  const timer: Timer = {
    after(milliseconds, call) {
      delays.push(milliseconds)
      due = call
      return () => {
        due = undefined
      }
    },
    elapsed: () => now,
    random: () => chance,
  }
  const passes: number[] = []
  const ends: (() => void)[] = []
  const pass = (wokenAt: number) =>
    new Promise<void>((resolve) => {
      passes.push(wokenAt)
      ends.push(resolve)
    })
  const settled = () => new Promise(setImmediate)
  return {
    timer,
    pass,
    passes,
    delays,
    fire: () => due?.(),
    waiting: () => due !== undefined,
    at: (time: number) => {
      now = time
    },
    chance: (value: number) => {
      chance = value
    },
    async end() {
      ends.shift()?.()
      await settled()
    },
  }
}

test('a pass at once, then one at each turn of the timer', async () => {
  const it = world()
  startLoop(it.timer, { intervalMs: 1000, jitter: 0 }, it.pass)
  assert.equal(it.passes.length, 1)
  await it.end()
  assert.deepEqual(it.delays, [1000])
  it.fire()
  assert.equal(it.passes.length, 2)
})

test('passes never overlap; any number of hints during one make one more', async () => {
  const it = world()
  const loop = startLoop(it.timer, { intervalMs: 1000, jitter: 0 }, it.pass)
  it.at(5)
  loop.wake()
  it.at(9)
  loop.wake()
  loop.wake()
  assert.equal(it.passes.length, 1)
  await it.end()
  assert.deepEqual(it.passes, [0, 5], 'the second pass counts from the first hint')
  await it.end()
  assert.equal(it.passes.length, 2)
  assert.ok(it.waiting())
})

test('a hint while the timer runs starts a pass now and not a second one later', async () => {
  const it = world()
  const loop = startLoop(it.timer, { intervalMs: 1000, jitter: 0 }, it.pass)
  await it.end()
  loop.wake()
  assert.equal(it.passes.length, 2)
  assert.equal(it.waiting(), false)
})

test('a hint in the moment in which a pass ends is not lost', async () => {
  const it = world()
  let calls = 0
  const loop = startLoop(it.timer, { intervalMs: 1000, jitter: 0 }, async () => {
    calls++
    if (calls === 1) queueMicrotask(() => queueMicrotask(() => loop.wake()))
  })
  await new Promise(setImmediate)
  assert.equal(calls, 2)
})

for (const [chance, expected] of [
  [0, 800],
  [0.5, 1000],
  [0.999999, 1200],
] as const) {
  test(`chance ${chance} makes the interval about ${expected} ms`, async () => {
    const it = world()
    it.chance(chance)
    startLoop(it.timer, { intervalMs: 1000, jitter: 0.2 }, it.pass)
    await it.end()
    assert.equal(Math.round(it.delays[0] ?? 0), expected)
  })
}

test('stopping waits for the pass that runs and lets no other begin', async () => {
  const it = world()
  const loop = startLoop(it.timer, { intervalMs: 1000, jitter: 0 }, it.pass)
  let stopped = false
  const stopping = loop.stop().then(() => {
    stopped = true
  })
  loop.wake()
  await new Promise(setImmediate)
  assert.equal(stopped, false)
  await it.end()
  await stopping
  assert.equal(it.passes.length, 1)
  assert.equal(it.waiting(), false)
})
