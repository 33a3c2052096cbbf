/**
 * Load balancing and health of endpoints through the real kernel: whom requests reach, against the shares that
 * the reference gives them (pipelines/services/balance.ts), and what failures, slow start and churn do to that.
 */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { Spread } from '../../../pipelines/services/model.ts'
import { chiSquare, chiSquareLimit } from '../../fakes/chi-square.ts'
import { BalanceFixture } from './balance-fixture.ts'
import { whyNoKernel } from './kernel-fixture.ts'

const DRAWS = 1_200
const EJECTED_MS = 1_500
const SLOW_MS = 3_000

describe('balance', { skip: whyNoKernel(), concurrency: false }, () => {
  let bed: BalanceFixture
  before(async () => {
    bed = await BalanceFixture.create()
  })
  after(() => bed?.close())

  function assertShares(counted: number[], expected: number[]): void {
    const found = chiSquare(counted, expected)
    const limit = chiSquareLimit(expected.filter((share) => share > 0).length - 1)
    assert.ok(found <= limit, `${counted} is not as ${expected}: chi-square ${found.toFixed(1)}`)
  }

  for (const policy of ['two-choices', 'random', 'round-robin', 'least-request'] as const)
    it(`${policy}: shares are as weights, and 0 never wins`, async () => {
      await bed.publish([3, 0, 1, 2], { balance: { policy } })
      await bed.warm()
      const routed = bed.node.ways().KERNEL_ROUTED
      const counted = await bed.reached(DRAWS)
      assert.equal(counted[1], 0)
      assertShares(counted, [3, 0, 1, 2])
      assert.ok(bed.node.ways().KERNEL_ROUTED - routed > 0.99 * DRAWS)
    })

  it('what is under way is counted, and no more when it is over', async () => {
    await bed.publish([1, 1, null, null])
    await bed.warm()
    const waiting = await bed.node.open()
    const { inFlight } = await bed.health(0)
    assert.equal(inFlight, 0)
    waiting.send('GET /a/never HTTP/1.1\r\nHost: front\r\n\r\n')
    const sum = async () => (await bed.health(0)).inFlight + (await bed.health(1)).inFlight
    await bed.node.until(async () => (await sum()) === 1)
    const busy = (await bed.health(0)).inFlight === 1 ? 0 : 1
    const counted = await bed.reached(200)
    assert.ok(
      (counted[busy] as number) < 10,
      `${counted}: the one of two with a request in flight has few more`,
    )
    waiting.command('destroy')
    await bed.node.until(async () => (await sum()) === 0)
  })

  it('latency: a slower endpoint has few requests, and none is left out for good', async () => {
    await bed.publish([1, 1, 1, null], { balance: { policy: 'ewma' } })
    await bed.warm()
    const counted = await bed.reached(300)
    assert.equal(counted[3], 0)
    assert.ok(counted.slice(0, 3).reduce((sum, each) => sum + each) === 300)
  })

  const failing: [string, Spread['ejection'], string][] = [
    ['5xx', { consecutive5xx: 3, baseMs: EJECTED_MS, maxPercent: 50 }, 'sick'],
    ['resets', { consecutiveResets: 3, baseMs: EJECTED_MS, maxPercent: 50 }, 'torn'],
  ]
  for (const [what, ejection, manner] of failing)
    it(`three ${what} in a row eject an endpoint for a while, and then it is back`, async () => {
      await bed.publish([1, 1, null, null], { ...(ejection && { ejection }) })
      await bed.warm()
      const failed = async (target: string) => {
        const one = await bed.node.open()
        await one.get(target)
        one.command('end')
        return / 50[03] /.test(one.text)
      }
      let failures = 0
      await bed.node.until(async () => {
        failures += (await failed(`/a/${manner}-x0`)) ? 1 : 0
        return failures === 3
      })
      const began = Date.now()
      const counted = await bed.reached(100)
      assert.ok(Date.now() - began < EJECTED_MS, 'the machine is too slow to see it')
      assert.deepEqual(counted, [0, 100, 0, 0])
      // Half of them may be ejected at a time: the other one stays, whatever it says.
      for (let i = 0; i < 6; i++) await failed(`/a/${manner}-x1`)
      await bed.node.until(async () => ((await bed.reached(20))[0] as number) > 0)
      assert.ok(Date.now() - began >= EJECTED_MS - 100)
    })

  it('all ejected: 503 at once, on the same connection, until the first is back', async () => {
    const ejection = { consecutive5xx: 1, baseMs: EJECTED_MS, maxPercent: 100 }
    await bed.publish([null, null, 1, null], { ejection })
    await bed.node.until(async () => (await bed.client.get('/a/plain')).includes(' 200 '))
    assert.match(await bed.client.get('/a/sick-x2'), /^HTTP\/1.1 500 /)
    const began = Date.now()
    assert.match(await bed.client.get('/a/plain'), /^HTTP\/1.1 503 /)
    assert.ok(Date.now() - began < 1_000)
    await bed.node.until(async () => (await bed.client.get('/a/plain')).includes(' 200 '))
    assert.ok(Date.now() - began >= EJECTED_MS - 100)
  })

  it('slow start: a new endpoint has little of its share at first', async () => {
    await bed.publish([1, null, null, null], { slowStartMs: SLOW_MS })
    await bed.warm()
    await new Promise((resolve) => setTimeout(resolve, SLOW_MS))
    await bed.publish([1, null, null, 1], { slowStartMs: SLOW_MS })
    const began = Date.now()
    const [, , , young = 0] = await bed.reached(800)
    assert.ok(Date.now() - began < SLOW_MS / 3, 'the machine is too slow to see it')
    // A twentieth at first: a tenth of its turns, and the turns are shared.
    assert.ok(young > 15 && young < 280, `${young} of 800`)
    await new Promise((resolve) => setTimeout(resolve, SLOW_MS))
    assertShares(await bed.reached(400), [1, 0, 0, 1])
  })

  it('endpoints join and leave under load without an error, and their pools go with them', async () => {
    await bed.publish([1, 1, 1, 1])
    const clients = await Promise.all(Array.from({ length: 8 }, () => bed.node.open()))
    let running = true
    let served = 0
    const load = clients.map(async (each) => {
      while (running) {
        const text = await each.get('/a/plain')
        assert.match(text, /^HTTP\/1.1 200 /)
        served++
      }
    })
    for (let round = 0; round < 20; round++) {
      await bed.publish([0, 1, 2, 3].map((i) => ((round + i) % 3 === 0 ? null : 1 + ((round + i) % 2))))
      await new Promise((resolve) => setTimeout(resolve, 150))
    }
    await bed.publish([1, null, 0, null])
    running = false
    await Promise.all(load)
    assert.ok(served > 500, `${served}`)
    const only = (await bed.health(0)).number
    await bed.node.until(async () => {
      await Promise.all(clients.map((each) => each.get('/a/plain')))
      const { endpoints } = await bed.node.node.kernel.outbound.references()
      const others = [...endpoints].filter((number) => number !== only && number > 2)
      return others.length === 0
    })
  })
})
