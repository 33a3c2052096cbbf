import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  admit,
  type Breaker,
  breakerFor,
  type BreakerOutcome,
  type BreakerState,
  CLOSED,
  end,
  type Ticket,
} from '../../../pipelines/policy/breaker.ts'
import { breakerRule, breakerSteps } from '../../fakes/breaker-cases.ts'
import { NaiveBreaker } from '../../fakes/naive-breaker.ts'
import { random } from '../../fakes/random.ts'

const DEEP = process.env['HEDDLE_DEEP'] === '1'
const RUNS = DEEP ? 2_000 : 150
const STEPS = 120
const SEED = 20_261_124

/** One breaker, by hand. */
class Played {
  state: BreakerState = CLOSED
  rule: Breaker
  constructor(rule: Breaker) {
    this.rule = rule
  }
  admit(now: number): Ticket | string {
    const said = admit(this.rule, this.state, now)
    this.state = said.state
    return 'refused' in said ? said.refused : said.ticket
  }
  end(ticket: Ticket | string, outcome: BreakerOutcome, now: number): string {
    assert.ok(typeof ticket !== 'string', `refused: ${ticket as string}`)
    this.state = end(this.rule, this.state, { ticket, outcome, now })
    return this.state.kind
  }
  ask(outcome: BreakerOutcome, now: number): string {
    return this.end(this.admit(now), outcome, now)
  }
}

const RULE: Breaker = { consecutiveErrors: 3, open: 1_000, probes: 2 }

describe('a circuit breaker', () => {
  it('opens with errors in a row, and a success in between begins anew', () => {
    const it = new Played(RULE)
    assert.equal(it.ask('error', 0), 'closed')
    it.ask('error', 0)
    it.ask('success', 0)
    it.ask('error', 0)
    // What its client gave up says nothing, for or against.
    it.ask('untold', 0)
    it.ask('error', 0)
    assert.equal(it.ask('error', 0), 'open')
    assert.equal(it.admit(0), 'open')
    assert.equal(it.admit(999), 'open')
  })

  it('half-open lets so many probes through; when all succeed it is closed', () => {
    const it = new Played(RULE)
    for (let i = 0; i < 3; i++) it.ask('error', 0)
    const probes = [it.admit(1_000), it.admit(1_000)] as const
    assert.equal(it.admit(1_000), 'open')
    assert.equal(it.end(probes[0], 'success', 1_001), 'half-open')
    assert.equal(it.admit(1_002), 'open')
    assert.equal(it.end(probes[1], 'success', 1_003), 'closed')
    assert.equal(typeof it.admit(1_003), 'object')
  })

  it('half-open is open again with the first error, for as long again', () => {
    const it = new Played(RULE)
    for (let i = 0; i < 3; i++) it.ask('error', 0)
    const [bad, late] = [it.admit(1_500), it.admit(1_500)] as const
    assert.equal(it.end(bad, 'error', 1_600), 'open')
    // Of the round before: it changes nothing.
    assert.equal(it.end(late, 'success', 1_700), 'open')
    assert.equal(it.admit(2_599), 'open')
    assert.equal(typeof it.admit(2_600), 'object')
  })

  it('a probe that is given up leaves its place, one that never ends is forgotten with its round', () => {
    const it = new Played({ ...RULE, probes: 1 })
    for (let i = 0; i < 3; i++) it.ask('error', 0)
    it.ask('untold', 1_000)
    const lost = it.admit(1_000)
    assert.equal(it.admit(1_999), 'open')
    const next = it.admit(2_000)
    assert.equal(it.end(lost, 'error', 2_000), 'half-open')
    assert.equal(it.end(next, 'success', 2_000), 'closed')
  })

  it('what was under way when it opened says nothing of it when it is closed again', () => {
    const it = new Played({ consecutiveErrors: 2, open: 1_000, probes: 1 })
    const old = Array.from({ length: 4 }, () => it.admit(0))
    it.ask('error', 0)
    it.ask('error', 0)
    it.ask('success', 1_000)
    for (const ticket of old) assert.equal(it.end(ticket, 'error', 1_001), 'closed')
  })

  it('opens by share, not before there are enough, and what is older than the window is out of it', () => {
    const rate = { percent: 50, window: 8_000, minimumVolume: 4 }
    const it = new Played({ errorRate: rate, open: 1_000, probes: 1 })
    it.ask('error', 0)
    it.ask('error', 0)
    assert.equal(it.ask('error', 7_999), 'closed')
    // The first two are of a slice that has left.
    assert.equal(it.ask('error', 8_000), 'closed')
    it.ask('success', 8_000)
    it.ask('success', 8_000)
    // A success is no reason to open, also where it makes the volume.
    assert.equal(it.state.kind, 'closed')
    assert.equal(it.ask('error', 8_000), 'open')
  })

  it('lets so many in at a time', () => {
    const it = new Played({ maxInFlight: 2, open: 1_000, probes: 1 })
    const [one] = [it.admit(0), it.admit(0)]
    assert.equal(it.admit(0), 'in-flight')
    it.end(one as Ticket, 'error', 0)
    assert.equal(typeof it.admit(0), 'object')
    assert.equal(it.admit(0), 'in-flight')
  })

  it('a changed rule keeps the state: a shorter recovery counts at once, another window begins empty', () => {
    const it = new Played(RULE)
    for (let i = 0; i < 3; i++) it.ask('error', 0)
    it.rule = { ...RULE, open: 5_000 }
    assert.equal(typeof it.admit(1_000), 'object')
    const other = new Played(RULE)
    for (let i = 0; i < 3; i++) other.ask('error', 0)
    other.rule = { ...RULE, open: 100 }
    assert.equal(typeof other.admit(10), 'object')
    const rate = { percent: 50, window: 1_000, minimumVolume: 2 }
    const window = new Played({ errorRate: rate, open: 1_000, probes: 1 })
    window.ask('error', 0)
    window.rule = { ...window.rule, errorRate: { ...rate, window: 2_000 } }
    assert.equal(window.ask('error', 0), 'closed')
    assert.equal(window.ask('error', 0), 'open')
  })

  it('is that of its port before that of all ports', () => {
    const of = (port: number | null) => ({
      name: `b${port}`,
      namespace: 'shop',
      source: { file: 'b.yaml', line: 1, column: 1 },
      service: { namespace: 'shop', name: 'cart', port },
      breaker: RULE,
    })
    const port = (number: number, name = 'cart') => ({ namespace: 'shop', name, port: number })
    assert.equal(breakerFor([of(null), of(80)], port(80))?.name, 'b80')
    assert.equal(breakerFor([of(null), of(80)], port(81))?.name, 'bnull')
    assert.equal(breakerFor([of(80)], port(81)), undefined)
    assert.equal(breakerFor([of(null)], port(80, 'other')), undefined)
  })

  it(`says what a history read from its beginning says, in ${RUNS * STEPS} generated steps`, () => {
    let refused = 0
    for (let run = 0; run < RUNS; run++) {
      const r = random(SEED + run)
      const rule = breakerRule(r)
      const model = new Played(rule)
      const naive = new NaiveBreaker(rule)
      const open: { ticket: Ticket; id: number }[] = []
      let now = r.below(100_000)
      for (const [at, step] of breakerSteps(r, STEPS).entries()) {
        now += step.later
        const why = `seed ${SEED + run}, step ${at} of ${JSON.stringify(rule)}`
        if (step.do === 'admit') {
          const [said, known] = [model.admit(now), naive.admit(now)]
          if (typeof said === 'string' || typeof known === 'string') {
            assert.equal(said, known, why)
            refused++
          } else open.push({ ticket: said, id: known })
        } else if (step.do === 'end' && open.length > 0) {
          const [{ ticket, id }] = open.splice(step.which % open.length, 1) as [(typeof open)[0]]
          assert.equal(model.end(ticket, step.outcome, now), naive.end(id, step.outcome, now), why)
        }
      }
    }
    assert.ok(refused > RUNS, `only ${refused} were refused`)
  })
})
