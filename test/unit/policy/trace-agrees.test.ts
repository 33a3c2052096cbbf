/** Generated conditions, policies and routes: what follows from a trace is what the evaluators say. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { conditionHolds } from '../../../pipelines/policy/condition-match.ts'
import { type ConditionTrace, traceCondition } from '../../../pipelines/policy/condition-trace.ts'
import { type Connection, evaluate } from '../../../pipelines/policy/evaluate.ts'
import type { PolicySet } from '../../../pipelines/policy/model.ts'
import { evaluateRoute } from '../../../pipelines/policy/route-evaluate.ts'
import { routeMatches } from '../../../pipelines/policy/route-match.ts'
import { forwardedHead, traceRoutes } from '../../../pipelines/policy/route-trace.ts'
import { type PolicyTrace, type RuleTrace, tracePolicies } from '../../../pipelines/policy/trace.ts'
import { parseHttp1 } from '../../../pipelines/protocols/http1.ts'
import { asked, routedSet } from '../../bpf/host/route-cases.ts'
import { Random } from '../../bpf/host/streams.ts'
import { generatedSet, generatedStream, PEERS, SUBJECT, WORLD } from '../../bpf/kernel/generated-policies.ts'
import { generatedCondition, nearRequest } from '../../fakes/generated-conditions.ts'
import { random } from '../../fakes/random.ts'
import { request } from './small-policies.ts'

const SEED = 20_261_124
const DEEP = process.env['HEDDLE_DEEP'] === '1'
const CONDITIONS = DEEP ? 50_000 : 250
const SETS = DEEP ? 5_000 : 25
const ASKED = 20
const PORT = 80

/** By what stands at the leaves alone. */
function combined(trace: ConditionTrace): boolean {
  if (trace.kind === 'asked') return trace.holds
  if (trace.kind === 'not') return !combined(trace.of)
  const parts = trace.of.map(combined)
  return trace.kind === 'all' ? !parts.includes(false) : parts.includes(true)
}

/** Every result in it, to compare it with that of its part of the condition. */
function consistent(trace: ConditionTrace): boolean {
  const below = trace.kind === 'asked' ? [] : trace.kind === 'not' ? [trace.of] : trace.of
  return combined(trace) === trace.holds && below.every(consistent)
}

test(`leaves of ${CONDITIONS} generated conditions combine to what the reference says`, () => {
  const seen = { true: 0, false: 0 }
  for (let n = 0; n < CONDITIONS; n++) {
    const r = random(SEED + n)
    const condition = generatedCondition(r)
    const { method, target, host, fields } = nearRequest(r)
    const one = request(method, target, [['Host', host], ...fields])
    const trace = traceCondition(condition, one)
    const holds = conditionHolds(condition, one)
    seen[`${holds}`]++
    assert.ok(combined(trace) === holds && consistent(trace), `seed ${SEED + n}: ${JSON.stringify(trace)}`)
  }
  assert.ok(Math.min(seen.true, seen.false) > CONDITIONS / 5, JSON.stringify(seen))
})

/** Each place of a set gets a line of its own. */
function numbered(set: PolicySet): PolicySet {
  let line = 0
  return JSON.parse(JSON.stringify(set), (key, value) =>
    key === 'source' ? { file: 'p.yaml', line: ++line, column: 1 } : value,
  )
}

type Said = [kind: string, reason: string, line: number | undefined]
type Met = { rule: RuleTrace; passes: boolean }

const firstMatch = (rules: Met[]) =>
  rules.flatMap(({ rule }) => rule.matches ?? []).find(({ holds }) => holds)?.source.line

/** The verdict, by nothing but the trace. */
function verdictOf(met: PolicyTrace[], parsed: boolean): Said {
  const selected = met.filter(({ subject }) => subject.holds)
  const rules = (action: string, judges: string): Met[] =>
    selected.flatMap(({ unparsed, rules: all }) =>
      all
        .filter((rule) => rule.applies && rule.action === action && rule.judges === judges)
        .map((rule) => ({ rule, passes: unparsed === 'pass' })),
    )
  const [drop] = rules('deny', 'connections')
  if (drop) return ['deny-l4', 'denied-by-rule', drop.rule.source.line]
  const closing = selected.find(({ selects }) => selects)
  const [letIn] = closing ? rules('allow', 'connections') : []
  const needed = closing && !letIn ? rules('allow', 'requests') : undefined
  if (needed?.length === 0) return ['deny-l4', 'no-rule-for-peer-and-port', closing?.source.line]
  const forbids = rules('deny', 'requests')
  if (!needed && forbids.length === 0)
    return ['pass', letIn ? 'allowed-l4' : 'not-selected', letIn?.rule.source.line]
  return parsed ? judged(forbids, needed) : unjudged(forbids, needed)
}

function judged(forbids: Met[], needed: Met[] | undefined): Said {
  const denied = firstMatch(forbids)
  if (denied !== undefined) return ['deny-l7', 'denied-by-rule', denied]
  if (!needed) return ['allow', 'no-rule-denies', undefined]
  const allowed = firstMatch(needed)
  if (allowed !== undefined) return ['allow', 'request-matches', allowed]
  return ['deny-l7', 'no-request-rule-matches', needed[0]?.rule.source.line]
}

function unjudged(forbids: Met[], needed: Met[] | undefined): Said {
  const refusing = forbids.find(({ passes }) => !passes)
  if (refusing) return ['deny-l7', 'unparsed-refuse', refusing.rule.source.line]
  const passing = needed ? needed.find(({ passes }) => passes) : forbids[0]
  if (passing) return ['allow', 'unparsed-pass', passing.rule.source.line]
  return ['deny-l7', 'unparsed-refuse', needed?.[0]?.rule.source.line]
}

describe(`${SETS} generated sets of policies`, () => {
  test('have the verdict that follows from the trace, by the same line', () => {
    const kinds = new Map<string, number>()
    for (let n = 0; n < SETS; n++) {
      const r = random(SEED + n)
      const set = numbered(generatedSet(r, PORT))
      const streams = Array.from({ length: ASKED }, () => generatedStream(r, set))
      const requests = streams
        .flatMap(parseHttp1)
        .flatMap((event) => (event.kind === 'head' ? [event.request] : []))
      for (const one of [...requests, 'unparsed' as const]) {
        const peer = r.chance(0.7) ? r.pick(PEERS) : undefined
        const subject = r.chance(0.95) ? SUBJECT : r.pick([...PEERS, undefined])
        const connection: Connection = {
          ...{ subject, peer, peerAddress: r.pick(WORLD), port: PORT },
          protocol: 'TCP',
        }
        const { kind, reason, deciding } = evaluate(set, connection, one)
        const met = tracePolicies(set, connection, one)
        kinds.set(reason, (kinds.get(reason) ?? 0) + 1)
        const expected = [kind, reason, deciding?.source.line]
        assert.deepEqual(verdictOf(met, one !== 'unparsed'), expected, `seed ${SEED + n}`)
      }
    }
    const wanted =
      'allowed-l4 denied-by-rule no-request-rule-matches no-rule-denies no-rule-for-peer-and-port'
    assert.deepEqual(
      [...kinds.keys()].sort(),
      [...wanted.split(' '), 'not-selected', 'request-matches', 'unparsed-pass', 'unparsed-refuse'].sort(),
    )
  })
})

describe(`${SETS} generated sets of routes`, () => {
  test('are decided by the match that the trace says, and a head goes on where the outcome forwards', () => {
    const r = new Random(SEED)
    const seen = { decided: 0, none: 0 }
    for (let n = 0; n < SETS; n++) {
      const set = numbered(routedSet(r))
      for (let i = 0; i < ASKED; i++) {
        const question = asked(r)
        const outcome = evaluateRoute(set, question, question.random)
        const traces = traceRoutes(set, question)
        const deciding = traces.filter(({ decides }) => decides)
        assert.deepEqual(
          deciding.map(({ route, namespace, source }) => ({ route, namespace, source })),
          outcome.deciding === undefined ? [] : [outcome.deciding],
        )
        assert.ok(traces.every(({ parts, holds }) => parts.every((part) => part.holds) === holds))
        assert.equal(traces.find(({ holds }) => holds)?.decides, deciding.length === 0 ? undefined : true)
        seen[deciding.length === 0 ? 'none' : 'decided']++
        for (const { source, holds } of traces) {
          const rules = set.routes.flatMap((route) => route.rules)
          const match = rules.flatMap((rule) => rule.matches).find((each) => each.source.line === source.line)
          assert.equal(match && routeMatches(match, question.request), holds)
        }
        const after = forwardedHead(Buffer.from(question.text, 'latin1'), outcome)
        assert.equal(after === undefined, outcome.kind !== 'forward')
      }
    }
    assert.ok(Math.min(seen.decided, seen.none) > SETS, JSON.stringify(seen))
  })
})
