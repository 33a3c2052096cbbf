/** The kernel's buckets against the reference, by a clock that is known up to the time that a call takes. */
import assert from 'node:assert/strict'
import { before, describe, it, after } from 'node:test'
import { BucketKeyLayout, Limit as Bound, TakeLayout } from '../../../bpf/abi/heddle.gen.ts'
import { currentDispatcher } from '../../../agent/adapters/attach.ts'
import { SyscallProgram } from '../../../agent/adapters/bpf-run.ts'
import { type Rate, rateOf } from '../../../pipelines/policy/limit.ts'
import { random } from '../../fakes/random.ts'
import { dispatcherElf } from './artifacts.ts'
import { KernelFixture, whyNoKernel } from './kernel-fixture.ts'

const DEEP = process.env['HEDDLE_DEEP'] === '1'
const LIMITS = DEEP ? 1_000 : 100
const TAKES = 120
const SEED = 20_261_123
const { fields } = TakeLayout
const { limit: LIMIT, hash: HASH } = BucketKeyLayout.fields

describe('a bucket in the kernel', { skip: whyNoKernel() ?? false }, () => {
  let fixture: KernelFixture
  let program: SyscallProgram
  before(async () => {
    fixture = await KernelFixture.create(await dispatcherElf())
    const pin = currentDispatcher(fixture.pins, fixture.cgroup)?.program('relay_take') ?? ''
    program = new SyscallProgram(pin, TakeLayout.bytes)
  })
  after(async () => {
    program.close()
    await fixture.close()
  })

  /** Nanoseconds to wait, and between which moments it was asked. */
  function take({ interval, tolerance }: Rate, id: number, hash: number) {
    const { context } = program
    context.fill(0)
    context.writeBigUInt64LE(BigInt(id), fields.key.at + LIMIT.at)
    context.writeBigUInt64LE(BigInt(hash), fields.key.at + HASH.at)
    context.writeBigUInt64LE(interval, fields.interval.at)
    context.writeBigUInt64LE(tolerance, fields.tolerance.at)
    const from = process.hrtime.bigint()
    program.run()
    return { wait: context.readBigUInt64LE(fields.wait.at), from, to: process.hrtime.bigint() }
  }

  const most = (a: bigint, b: bigint) => (a > b ? a : b)

  it(`says of ${LIMITS * TAKES} requests what the arithmetic does`, (t) => {
    let refused = 0
    for (let id = 1; id <= LIMITS; id++) {
      const r = random(SEED + id)
      const limit = {
        bucket: 'token' as const,
        rate: 1 + r.below(20_000),
        per: r.pick([10, 100, 1_000]),
        burst: 1 + r.below(40),
        key: [],
      }
      const rate = rateOf(limit)
      // When the bucket would be full again: between these two.
      let early = 0n
      let late = 0n
      for (let asked = 0; asked < TAKES; asked++) {
        const { wait, from, to } = take(rate, id, 1)
        const why = `seed ${SEED + id}, request ${asked} of ${JSON.stringify(limit)}`
        if (wait === 0n) {
          assert.ok(most(early, to) - to <= rate.tolerance, `one too many: ${why}`)
          early = most(early, from) + rate.interval
          late = most(late, to) + rate.interval
        } else {
          refused++
          assert.ok(most(late, from) - from > rate.tolerance, `one too few: ${why}`)
          assert.ok(
            wait >= early - to - rate.tolerance && wait <= late - from - rate.tolerance,
            `wait: ${why}`,
          )
        }
        // Sometimes long enough for a few to come back.
        const pause = r.pick([0n, 0n, 0n, rate.interval / 2n, rate.interval])
        if (pause < 200_000n) for (const end = to + pause; process.hrtime.bigint() < end; );
      }
    }
    t.diagnostic(`${refused} were refused`)
    assert.ok(refused > LIMITS, 'nothing was refused: this shows nothing')
  })

  it('gives way to others when it was used longest ago, and begins again full', () => {
    const once = rateOf({ bucket: 'token', rate: 1, per: 86_400_000, burst: 1, key: [] })
    assert.equal(take(once, 9_999, 1).wait, 0n)
    assert.notEqual(take(once, 9_999, 1).wait, 0n)
    const before = fixture.counters().NEW_BUCKET ?? 0
    const others = 3 * Bound.MAX_BUCKETS
    for (let hash = 2; hash < others + 2; hash++) assert.equal(take(once, 9_999, hash).wait, 0n)
    assert.equal((fixture.counters().NEW_BUCKET ?? 0) - before, others)
    assert.equal(take(once, 9_999, 1).wait, 0n)
  })
})
