/**
 * Generated requests through the real kernel and relay, to a server that answers as it is told: each answer, and what
 * the kernel has of the breaker behind it, against the model. Rules change by the agent's stores and by flips.
 */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Breaker, BreakerOutcome, Ticket } from '../../../pipelines/policy/breaker.ts'
import { random } from '../../fakes/random.ts'
import { BreakerFixture, getText, nowMs } from './breaker-fixture.ts'
import { Follower } from './breaker-follower.ts'
import { whyNoKernel } from './kernel-fixture.ts'
import type { Connection } from './outbound-connection.ts'

const DEEP = process.env['HEDDLE_DEEP'] === '1'
const REQUESTS = DEEP ? 100_000 : 1_500
const SEED = 20_261_124
/** Requests under one rule, and rules under one generation. */
const OF_RULE = DEEP ? 1_000 : 150
const OF_GENERATION = 5

function ruleFrom(r: ReturnType<typeof random>): Breaker {
  const rate = {
    percent: r.pick([20, 50, 80]),
    window: r.pick([1_000, 2_000]),
    minimumVolume: 1 + r.below(20),
  }
  const opens = r.below(3)
  return {
    ...(opens !== 0 ? { consecutiveErrors: 2 + r.below(4) } : {}),
    ...(opens !== 1 ? { errorRate: rate } : {}),
    ...(r.chance(0.5) ? { maxInFlight: 2 + r.below(2) } : {}),
    open: r.pick([100, 150, 300]),
    probes: 1 + r.below(4),
  }
}

const TARGETS = { plain: 'success', 'sick-a': 'error', die: 'error' } as const

describe('a breaker, differential', { skip: whyNoKernel(), concurrency: false }, () => {
  const r = random(SEED)
  const rules = Array.from({ length: 12 }, () => ruleFrom(r))
  let bed: BreakerFixture
  let client: Connection
  let held: { by: Connection; ticket: Ticket }[] = []
  let follower: Follower
  before(async () => {
    bed = await BreakerFixture.create(rules)
    client = await bed.node.openWarm()
    await bed.anew(rules[0] as Breaker)
    follower = new Follower(rules[0] as Breaker)
  })
  after(() => bed?.close())

  /** One whole request. */
  async function one(note: string, sick: number): Promise<string | undefined> {
    const manner = r.chance(0.01) ? 'die' : r.chance(sick) ? 'sick-a' : 'plain'
    if (client.text.includes('\r\nConnection: close\r\n')) client = await bed.node.open()
    const from = nowMs()
    const by = r.chance(0.1) ? 'relay' : undefined
    const { status, why } = await bed.ask(client, `/a/${manner}`, by)
    const span = { from, to: nowMs() }
    const outcome: BreakerOutcome = TARGETS[manner]
    if (why === undefined) assert.equal(status >= 500, outcome === 'error', `${note}: ${manner} ${status}`)
    const over = why === undefined ? { outcome } : {}
    follower.asked({ span, why, ...over }, bed.state(), `${note}, ${manner} by ${by ?? 'the kernel'}`)
    return why
  }

  /** One that goes on, where that can be seen. */
  async function hold(note: string): Promise<void> {
    const by = await bed.node.openWarmTo('/b/plain')
    const before = bed.state()
    const from = nowMs()
    by.send(getText('/a/never'))
    await bed.node.until(async () => bed.state().inFlight > before.inFlight || by.text.includes('\r\n\r\n'))
    const why = /x-heddle-breaker: (\S+)/.exec(by.text)?.[1]
    const ticket = follower.asked({ span: { from, to: nowMs() }, why }, bed.state(), note)
    if (ticket) held.push({ by, ticket })
    else by.command('reset')
  }

  async function release(note: string): Promise<void> {
    const [{ by, ticket }] = held.splice(r.below(held.length), 1) as [(typeof held)[0]]
    const { inFlight } = bed.state()
    const from = nowMs()
    by.command('reset')
    await bed.node.until(async () => bed.state().inFlight < inFlight)
    follower.ended(
      ticket,
      { span: { from, to: nowMs() }, why: undefined, outcome: 'untold' },
      bed.state(),
      note,
    )
  }

  it(`answers ${REQUESTS} requests as the model, and keeps what it has over flips`, async (t) => {
    const refused = new Map<string, number>()
    let rule = rules[0] as Breaker
    let sick = 0.1
    for (let at = 0; at < REQUESTS; at++) {
      const note = `seed ${SEED}, request ${at}`
      if (at > 0 && at % OF_RULE === 0) {
        for (const left of [...held]) if (left) await release(note)
        rule = r.pick(rules)
        if ((at / OF_RULE) % OF_GENERATION === 0) await bed.swap(rule)
        await bed.choose(rule)
        follower.another(rule)
      }
      if (r.chance(0.02)) sick = r.pick([0, 0.1, 0.3, 0.7, 1])
      if (rule.maxInFlight !== undefined && r.chance(0.02))
        await (held.length < 3 ? hold(note) : release(note))
      const why = await one(note, sick)
      if (why !== undefined) refused.set(why, (refused.get(why) ?? 0) + 1)
      if (why === 'open' && r.chance(0.08)) await sleep(Math.max(0, follower.until - nowMs()))
      if (why === 'in-flight') await release(note)
    }
    for (const left of [...held]) if (left) await release('the end')
    const { trips } = bed.state()
    t.diagnostic(`${trips} trips, refused: ${JSON.stringify([...refused])}`)
    assert.ok(trips >= REQUESTS / 300 && (refused.get('open') ?? 0) > REQUESTS / 20)
    assert.ok((refused.get('in-flight') ?? 0) > 0)
    held = []
  })
})
