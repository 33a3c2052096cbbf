import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type Limit, limitId, rateOf, take } from '../../../pipelines/policy/limit.ts'
import { random } from '../../fakes/random.ts'

const DEEP = process.env['HEDDLE_DEEP'] === '1'
const CASES = DEEP ? 2_000 : 200
const REQUESTS = 100
const SEED = 20_261_123
const SECOND = 1_000_000_000n

const limit = (rate: number, per: number, burst: number): Limit => ({
  bucket: 'token',
  rate,
  per,
  burst,
  key: [],
})

/** A bucket as it is drawn: tokens come one by one, and none above the burst is kept. */
class Tokens {
  private readonly interval: bigint
  private readonly burst: bigint
  private at = 0n
  /** Nanoseconds of filling: `interval` of them are a token. */
  private filled: bigint

  constructor({ interval, tolerance }: { interval: bigint; tolerance: bigint }) {
    this.interval = interval
    this.burst = tolerance / interval + 1n
    this.filled = this.burst * interval
  }

  take(now: bigint): boolean {
    const most = this.burst * this.interval
    this.filled += now - this.at
    if (this.filled > most) this.filled = most
    this.at = now
    if (this.filled < this.interval) return false
    this.filled -= this.interval
    return true
  }
}

describe('a limit', () => {
  it('lets pass what a bucket of tokens does, whenever requests come', () => {
    for (let one = 0; one < CASES; one++) {
      const r = random(SEED + one)
      const rate = rateOf(limit(1 + r.below(1_000), r.pick([1, 50, 1_000, 60_000]), 1 + r.below(30)))
      const tokens = new Tokens(rate)
      let until = 0n
      let now = SECOND
      for (let asked = 0; asked < REQUESTS; asked++) {
        now += (rate.interval * BigInt(r.pick([0, 0, 1, 50, 99, 100, 101, 400, 5_000]))) / 100n
        const taken = take(rate, until, now)
        until = taken.until
        assert.equal(taken.wait === 0n, tokens.take(now), `seed ${SEED + one}, request ${asked}`)
        if (taken.wait === 0n) continue
        assert.ok(take(rate, until, now + taken.wait).wait === 0n, 'after the wait there is one')
        assert.ok(take(rate, until, now + taken.wait - 1n).wait > 0n, 'and not before')
      }
    }
  })

  it('never lets one too many pass, where its rate is no whole number of nanoseconds', () => {
    const { interval } = rateOf(limit(3, 1_000, 1))
    assert.equal(interval, 333_333_334n)
  })

  const TOLD: [rate: number, per: number, quota: number, window: number][] = [
    [100, 1_000, 100, 1],
    [5, 60_000, 5, 60],
    [10, 500, 20, 1],
    [7, 1_500, 9, 2],
  ]
  for (const [rate, per, quota, window] of TOLD) {
    it(`of ${rate} in ${per} ms is told as ${quota} in ${window} s`, () => {
      const { quota: told, window: seconds } = rateOf(limit(rate, per, 1))
      assert.deepEqual([told, seconds], [quota, window])
    })
  }

  it('has the same buckets as long as its policy, its name and its numbers are the same', () => {
    const named = { namespace: 'n', policy: 'p', rule: 'r' }
    const same = limitId(named, limit(1, 1_000, 1))
    assert.equal(limitId({ ...named }, limit(1, 1_000, 1)), same)
    const others = [
      limitId({ ...named, rule: 's' }, limit(1, 1_000, 1)),
      limitId({ ...named, policy: 's' }, limit(1, 1_000, 1)),
      limitId({ ...named, namespace: 's' }, limit(1, 1_000, 1)),
      limitId(named, limit(2, 1_000, 1)),
      limitId(named, { ...limit(1, 1_000, 1), key: [{ kind: 'path' }] }),
    ]
    assert.equal(new Set([same, ...others]).size, 6)
  })
})
