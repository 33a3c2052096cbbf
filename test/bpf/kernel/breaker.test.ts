/** Circuit breakers through the real kernel and a real relay, one case after the other on one node. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Breaker } from '../../../pipelines/policy/breaker.ts'
import { BreakerFixture, getText, nowMs } from './breaker-fixture.ts'
import { whyNoKernel } from './kernel-fixture.ts'
import type { Connection } from './outbound-connection.ts'

/** Longer than a test takes. */
const LONG = 600_000
const SHORT: Breaker = { consecutiveErrors: 3, open: 400, probes: 2 }
const ROW: Breaker = { ...SHORT, open: LONG }
const TOUCHY: Breaker = { ...ROW, consecutiveErrors: 1, maxInFlight: 10 }
const FULL: Breaker = { maxInFlight: 3, open: LONG, probes: 1 }
const RATE: Breaker = {
  errorRate: { percent: 50, window: 1_000, minimumVolume: 6 },
  open: LONG,
  probes: 1,
}
const BOTH: Breaker = { ...ROW, maxInFlight: 2 }
const PENDING: Breaker = { maxPending: 1, open: LONG, probes: 1 }
const RULES = [ROW, SHORT, TOUCHY, FULL, RATE, BOTH, PENDING]

describe('a breaker of a service', { skip: whyNoKernel(), concurrency: false }, () => {
  let bed: BreakerFixture
  let client: Connection
  before(async () => {
    bed = await BreakerFixture.create(RULES)
    client = await bed.node.openWarm()
  })
  after(() => bed?.close())

  const statusOf = async (target: string, by?: 'relay') => (await bed.ask(client, target, by)).status
  const whyOf = async (target: string, by?: 'relay') => (await bed.ask(client, target, by)).why

  it('opens with errors in a row, and then the kernel answers, on the same connection', async () => {
    await bed.anew(ROW)
    for (const manner of ['sick-a', 'sick-a', 'plain', 'sick-a', 'sick-a'])
      assert.equal(await whyOf(`/a/${manner}`), undefined)
    assert.equal(bed.state().kind, 'closed')
    assert.equal(await statusOf('/a/sick-a'), 500)
    const before = bed.node.ways()
    assert.deepEqual(await bed.ask(client, '/a/plain'), { status: 503, why: 'open' })
    // The relay says the same bytes.
    assert.deepEqual(await bed.ask(client, '/a/plain', 'relay'), { status: 503, why: 'open' })
    assert.equal(bed.node.ways().KERNEL_ANSWERED - before.KERNEL_ANSWERED, 1)
    assert.ok(bed.node.ways().SLOW_HEAD > before.SLOW_HEAD)
    const { kind, trips, refused } = bed.state()
    assert.deepEqual({ kind, trips, refused }, { kind: 'open', trips: 1, refused: [2, 0, 0] })
    // Another service has another one, or none.
    assert.equal(await statusOf('/b/plain'), 200)
  })

  it('errors that kernel and relay have seen are one row', async () => {
    await bed.anew(ROW)
    for (const by of ['relay', undefined, 'relay'] as const)
      assert.equal(await statusOf('/a/sick-a', by), 500)
    assert.equal(await whyOf('/a/plain'), 'open')
  })

  it('half-open lets so many through at a time; when they succeed it is closed', async () => {
    await bed.anew(SHORT)
    for (let i = 0; i < 3; i++) await statusOf('/a/sick-a')
    const opened = nowMs()
    assert.equal(await whyOf('/a/plain'), 'open')
    await sleep(SHORT.open + 1 - (nowMs() - opened))
    const held = [await bed.node.open(), await bed.node.open()]
    for (const each of held) each.send(getText('/a/never'))
    await bed.node.until(async () => bed.state().out === 2)
    const why = await whyOf('/a/plain')
    // Unless the round was over already: then it is the first of the next one.
    assert.equal(why, bed.state().turn === 2 ? 'open' : undefined)
    for (const each of held) each.command('reset')
    await bed.node.until(async () => {
      await statusOf('/a/plain')
      return bed.state().kind === 'closed'
    })
    assert.equal(await statusOf('/a/plain'), 200)
  })

  it('half-open is open again with one error', async () => {
    await bed.anew(SHORT)
    for (let i = 0; i < 3; i++) await statusOf('/a/sick-a')
    await sleep(SHORT.open + 1)
    assert.equal(await statusOf('/a/sick-a'), 500)
    assert.equal(bed.state().trips, 2)
    assert.equal(await whyOf('/a/plain'), 'open')
  })

  it('a server that breaks off is an error, whoever carries its response', async () => {
    await bed.anew(ROW)
    for (const by of [undefined, 'relay', undefined] as const) {
      const one = await bed.node.open()
      await bed.node.until(async () => (await bed.ask(one, '/b/plain')).status === 200)
      const { errors, trips } = bed.state()
      await bed.ask(one, '/a/die', by)
      one.command('reset')
      await bed.node.until(async () => bed.state().errors > errors || bed.state().trips > trips)
    }
    assert.equal(bed.state().trips, 1)
  })

  it('a response that only the end of its connection ends is none', async () => {
    await bed.anew(TOUCHY)
    for (let i = 0; i < 3; i++) {
      const one = await bed.node.openWarm()
      one.forget()
      one.send(getText('/a/eof'))
      await one.until(() => one.end !== undefined || one.closed)
      await bed.node.until(async () => bed.state().inFlight === 0)
      assert.equal(bed.state().kind, 'closed')
      one.command('reset')
    }
  })

  it('a client that gives up says nothing', async () => {
    await bed.anew(TOUCHY)
    for (let i = 0; i < 3; i++) {
      const one = await bed.node.open()
      one.send(getText('/a/never'))
      await bed.node.until(async () => bed.state().inFlight === 1)
      one.command('reset')
      await bed.node.until(async () => bed.state().inFlight === 0)
    }
    assert.equal(bed.state().kind, 'closed')
  })

  it('in flight: the kernel’s and the relay’s are counted together, and one more is refused', async () => {
    await bed.anew(FULL)
    assert.equal(await statusOf('/a/plain'), 200)
    const held = [await bed.node.openWarm(), await bed.node.openWarm(), await bed.node.openWarm()] as const
    for (const [at, each] of held.entries()) {
      each.send(getText('/a/never', at === 0 ? 'relay' : undefined))
      await bed.node.until(async () => bed.state().inFlight === at + 1)
    }
    assert.equal(await whyOf('/a/plain'), 'in-flight')
    assert.equal(await whyOf('/a/plain', 'relay'), 'in-flight')
    assert.equal(await statusOf('/b/plain'), 200)
    held[1].command('reset')
    await bed.node.until(async () => bed.state().inFlight === 2)
    assert.equal(await statusOf('/a/plain'), 200)
    assert.equal(await statusOf('/a/plain', 'relay'), 200)
    held[2].command('reset')
    await bed.node.until(async () => bed.state().inFlight === 1)
    assert.deepEqual(bed.state().refused, [0, 2, 0])
  })

  it('opens by share, and what is out of the window does not count', async () => {
    await bed.anew(RATE)
    for (let i = 0; i < 5; i++) assert.equal(await statusOf('/a/sick-a'), 500)
    assert.equal(bed.state().kind, 'closed', 'fewer than the volume')
    await sleep(1_200)
    for (let i = 0; i < 4; i++) assert.equal(await statusOf('/a/plain'), 200)
    const began = nowMs()
    for (let i = 0; i < 4; i++) await statusOf('/a/sick-a')
    assert.ok(nowMs() - began < 800, 'the machine is too slow to see it')
    assert.equal(bed.state().kind, 'open', 'four of eight')
  })

  it('a swap keeps the state, with other thresholds, and without the rule nobody asks it', async () => {
    await bed.anew(ROW)
    for (let i = 0; i < 2; i++) await statusOf('/a/sick-a')
    await bed.swap(BOTH)
    await statusOf('/a/sick-a')
    assert.equal(await whyOf('/a/plain'), 'open')
    await bed.swap()
    assert.equal(await statusOf('/a/plain'), 200)
    assert.equal(await statusOf('/a/plain', 'relay'), 200)
    await bed.swap(ROW)
    assert.equal(await whyOf('/a/plain'), 'open')
    // A shorter recovery counts at once.
    await sleep(SHORT.open)
    await bed.choose(SHORT)
    assert.equal(await statusOf('/a/plain'), 200)
  })

  it('what a killed relay had in flight is forgotten, and the state stays', async () => {
    await bed.anew(BOTH)
    const held = [await bed.node.open(), await bed.node.open()]
    for (const each of held) each.send(getText('/a/never'))
    await bed.node.until(async () => bed.state().inFlight === 2)
    assert.equal(await whyOf('/a/plain'), 'in-flight')
    await bed.node.stopRelay('SIGKILL')
    await bed.node.startRelay()
    client = await bed.node.openWarm()
    await bed.node.until(async () => bed.state().inFlight === 0)
    for (let i = 0; i < 3; i++) await statusOf('/a/sick-a')
    await bed.node.stopRelay('SIGTERM')
    await bed.node.startRelay()
    client = await bed.node.open()
    assert.equal(await whyOf('/a/plain'), 'open')
  })

  it('pending: who would have to wait for a connection among too many is refused, in no time', async () => {
    await bed.anew(PENDING)
    const back = await bed.clogged()
    // The one that the server's queue has room for, and the one that waits.
    const [one, two, three] = [await bed.node.open(), await bed.node.open(), await bed.node.open()]
    let waits = 0
    for (const each of [one, two]) each.send(getText('/a/never', 'relay'))
    await bed.node.until(async () => {
      const { why } = await bed.ask(three, '/a/plain', 'relay').catch(() => ({ why: 'answered' }))
      waits++
      return why === 'pending'
    })
    const began = nowMs()
    assert.deepEqual(await bed.ask(three, '/a/plain', 'relay'), { status: 503, why: 'pending' })
    assert.ok(nowMs() - began < 1_000 && waits > 0)
    assert.ok((bed.state().refused[2] ?? 0) > 0)
    for (const each of [one, two]) each.command('reset')
    await back()
    await bed.node.until(async () => (await bed.ask(three, '/a/plain')).status === 200)
  })

  it('stats name it', async () => {
    const { breakers } = (await bed.node.stats())['outbound'] as { breakers: Record<string, unknown>[] }
    assert.equal(breakers.length, 1)
    const { refused } = breakers[0] as { refused: Record<string, number> }
    assert.ok((refused['pending'] ?? 0) > 0)
    assert.equal(breakers[0]?.['state'], 'closed')
  })
})
