/** The kernel's breaker against the model, by a clock that both are told: bpf/lib/breaker.h on the host, with sanitizers. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { BreakerTicket } from '../../../bpf/abi/heddle.gen.ts'
import { admit, type BreakerState, CLOSED, end, type Ticket } from '../../../pipelines/policy/breaker.ts'
import { breakerRule, breakerSteps } from '../../fakes/breaker-cases.ts'
import { random } from '../../fakes/random.ts'
import { type BreakerProgram, buildBreaker, ruleCommand } from './breaker-harness.ts'

const DEEP = process.env['HEDDLE_DEEP'] === '1'
const RUNS = DEEP ? 1_200 : 60
const STEPS = 200
const SEED = 20_261_124
/** By enum heddle_breaker_answer. */
const ANSWERS = ['admitted', 'open', 'in-flight'] as const
const KINDS = ['closed', 'open', 'half-open'] as const
const STATUS = { success: 200, error: 500, untold: 1 } as const
/** HEDDLE_ENDED_RESET says the same as a 5xx. */
const RESET = 0

type Expected = { why: string; line: string }

/** What the model says, and the commands that ask the program for it; its tickets are filled in from what it answered. */
type Case = { commands: string[]; expected: Expected[] }

/** The program's tickets as the model has them: the turn is all of it that is not told by the rule. */
const ticketOf = ({ turn, probe, counted }: Ticket) =>
  (turn & BreakerTicket.TICKET_TURN) |
  (probe ? BreakerTicket.TICKET_PROBE : 0) |
  (counted ? BreakerTicket.TICKET_FLIGHT : 0)

function caseOf(seed: number): Case {
  const r = random(seed)
  let rule = breakerRule(r)
  let state: BreakerState = CLOSED
  let trips = 0
  // Also where 32 bits of milliseconds wrap.
  let now = r.chance(0.2) ? 2 ** 32 - 5_000 : r.below(1_000_000)
  const open: Ticket[] = []
  const found: Case = { commands: ['new', ruleCommand(rule)], expected: [] }
  const expect = (line: string, at: number) =>
    found.expected.push({ line, why: `seed ${seed}, step ${at}, ${JSON.stringify(rule)}` })
  for (const [at, step] of breakerSteps(r, STEPS).entries()) {
    now += step.later
    if (step.do === 'rule') {
      rule = step.breaker
      found.commands.push(ruleCommand(rule))
    } else if (step.do === 'admit') {
      const said = admit(rule, state, now)
      state = said.state
      found.commands.push(`admit ${now}`)
      if ('ticket' in said) {
        open.push(said.ticket)
        expect(`0 ${ticketOf(said.ticket)}`, at)
      } else expect(`${ANSWERS.indexOf(said.refused as 'open')} 0`, at)
    } else if (open.length > 0) {
      const [ticket] = open.splice(step.which % open.length, 1) as [Ticket]
      const before = state.kind
      state = end(rule, state, { ticket, outcome: step.outcome, now })
      if (before !== 'open' && state.kind === 'open') trips++
      const status = step.outcome === 'error' && r.chance(0.3) ? RESET : STATUS[step.outcome]
      found.commands.push(`end ${now} ${ticketOf(ticket)} ${status}`)
      expect(`${KINDS.indexOf(state.kind)} ${trips}`, at)
    }
  }
  return found
}

describe('the kernel’s breaker on the host', () => {
  let program: BreakerProgram
  before(async () => {
    program = await buildBreaker()
  })
  after(() => program.remove())

  it(`says what the model says in ${RUNS * STEPS} steps`, async () => {
    const cases = Array.from({ length: RUNS }, (_, run) => caseOf(SEED + run))
    const lines = await program.run(cases.flatMap(({ commands }) => commands))
    const expected = cases.flatMap((each) => each.expected)
    assert.equal(lines.length, expected.length)
    let refused = 0
    for (const [at, { line, why }] of expected.entries()) {
      assert.equal(lines[at], line, why)
      if (/^[12] 0$/.test(line)) refused++
    }
    assert.ok(refused > RUNS)
  })
})
