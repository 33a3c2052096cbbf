/** How many requests to one service may be in their retries at a time. */
import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { RetryBudget, RetryBudgets } from '../../../../agent/relay/outbound/retry-budget.ts'
import type { RetryBudget as Bounds } from '../../../../pipelines/policy/route.ts'
import { Client, endpoint, eventually, slowPath, to } from './slow-path.ts'

const bounds = (percent: number, least = 0): Bounds => ({ percent, least })
/** How many of so many requests may be sent again. */
const allowed = (requests: number, of: Bounds): number => {
  const budget = new RetryBudget()
  const begun = Array.from({ length: requests }, () => budget.begin())
  return begun.filter((each) => each.retry(of)).length
}

describe('the part that may be sent again', () => {
  const CASES: [requests: number, Bounds, number][] = [
    [10, bounds(2_000), 2],
    [9, bounds(2_000), 1],
    [4, bounds(2_000), 0],
    [4, bounds(2_000, 3), 3],
    [100, bounds(2_000, 3), 20],
    [100, bounds(0), 0],
    [3, bounds(10_000), 3],
    [1, bounds(0, 1), 1],
  ]
  for (const [requests, of, most] of CASES)
    test(`${of.percent / 100} % and ${of.least} of ${requests}: ${most}`, () =>
      assert.equal(allowed(requests, of), most))
  test('who has begun to may go on; who is over leaves its place, once', () => {
    const budget = new RetryBudget()
    const [first, second] = [budget.begin(), budget.begin()]
    const one = bounds(0, 1)
    assert.deepEqual([first.retry(one), first.retry(one), second.retry(one)], [true, true, false])
    first.over()
    first.over()
    assert.equal(second.retry(one), true)
    second.over()
    assert.equal(budget.idle, true)
  })
  test('services have budgets of their own', () => {
    const budgets = new RetryBudgets()
    const request = budgets.of(1).begin()
    assert.notEqual(budgets.of(1), budgets.of(2))
    assert.equal(budgets.of(1).idle, false)
    request.over()
  })
})

const GET = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n'
const FAILED = 'HTTP/1.1 503 No\r\nContent-Length: 4\r\n\r\nfail'
const closing: (() => unknown)[] = []
after(async () => {
  for (const close of closing.reverse()) await close()
})

test('of four requests that fail, the one that the budget has is sent again; of the others the answer stands', async () => {
  let heard = 0
  const server = await endpoint((seen, bytes) => {
    if (!bytes.includes('HTTP/1.1')) return
    heard++
    // All four are under way before the first of them fails.
    if (heard === 4) for (const each of server.seen) each.socket.write(FAILED)
    else if (heard > 4) seen.socket.write(FAILED)
  })
  const retry = { codes: [503], attempts: 2, backoff: 20, budget: bounds(2_500) }
  const budget = new RetryBudget()
  const relay = await slowPath(() => to(server, { retry, budget }))
  closing.push(() => server.close(), relay.close)
  const clients = Array.from({ length: 4 }, () => new Client(relay.port))
  for (const client of clients) {
    closing.push(() => client.close())
    client.say(GET)
  }
  for (const client of clients) assert.equal(await client.until('fail'), FAILED)
  const { retries, overBudget } = relay.outbound.counts
  assert.deepEqual({ heard, retries, overBudget }, { heard: 6, retries: 2, overBudget: 3 })
  await eventually(() => budget.idle)
})
