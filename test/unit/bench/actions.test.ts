import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Condition, Leaf } from '../../../pipelines/policy/condition.ts'
import { evaluate } from '../../../pipelines/policy/evaluate.ts'
import { PolicySet } from '../../../pipelines/policy/model.ts'
import { parseHttp1 } from '../../../pipelines/protocols/http1.ts'
import {
  ACTION_CASES,
  ACTIONS,
  BASELINE,
  chooseActions,
  frontOf,
  mannerOf,
} from '../../bench/action-cases.ts'
import { matcherRules } from '../../bench/matcher-rules.ts'
import { requestHeads } from '../../bench/rules.ts'
import { judge, shownCases } from '../../bench/shown.ts'

const PORT = 8080
const service = { namespace: 'bench', name: 'api', port: 80 }
const asked = { first: service, target: service, port: PORT }
const client = { namespace: 'bench', labels: { app: 'client' } }
const requests = requestHeads(1024, 64).map((head) => {
  const event = parseHttp1(Buffer.from(head)).find(({ kind }) => kind === 'head')
  assert.ok(event?.kind === 'head')
  return event.request
})
const connection = {
  subject: { namespace: 'bench', labels: { app: 'server' } },
  peer: client,
  peerAddress: '10.77.2.1',
  port: PORT,
  protocol: 'TCP' as const,
}

describe('the cases of the suite actions', () => {
  test('are divided by actions that there are; every action is of use', () => {
    const used = ACTION_CASES.flatMap(({ action, against }) => [action, against])
    assert.deepEqual([...new Set(used)].sort(), Object.keys(ACTIONS).sort())
    assert.deepEqual(
      ACTION_CASES.filter(({ goal }) => goal === undefined).map(({ name, against }) => [name, against]),
      [['noise', BASELINE]],
    )
  })

  test('bring what they are divided by, and the noise', () => {
    const { cases, actions } = chooseActions(/^limit-one-key/)
    assert.deepEqual(
      cases.map(({ name }) => name),
      ['noise', 'limit-one-key/64-keys'],
    )
    assert.deepEqual(actions, [BASELINE, 'heddle-local-again', 'limit-64-keys', 'limit-one-key'])
    assert.throws(() => chooseActions(/^envoy/), /no case matches \/\^envoy\/; cases are noise header-set /)
  })

  for (const name of Object.keys(ACTIONS).filter((each) => each !== 'rules-1000')) {
    test(`${name} says what the model can hold, and refuses where 403 is expected`, () => {
      const says = frontOf(name).mesh?.says(asked)
      assert.ok(says)
      assert.deepEqual(PolicySet.parse(says), says)
      const allowed = says.policies.length === 0 ? 'pass' : 'allow'
      const expected = mannerOf(name).status === 403 ? 'deny-l7' : allowed
      for (const request of requests) assert.equal(evaluate(says, connection, request).kind, expected)
    })
  }
})

/** Every kind of condition and of text that stands in it. */
function kindsIn(condition: Condition): string[] {
  switch (condition.kind) {
    case 'all':
    case 'any':
      return [condition.kind, ...condition.of.flatMap(kindsIn)]
    case 'not':
      return [condition.kind, ...kindsIn(condition.of)]
    default: {
      const text = 'text' in condition ? condition.text : undefined
      const how = text === undefined ? '' : ` ${text?.kind ?? 'present'}`
      return [condition.kind, `${condition.kind}${how}`]
    }
  }
}

describe('rules of every matcher', () => {
  const policy = matcherRules(200, PORT)
  const conditions = policy.allow.flatMap(({ http }) => (http ?? []).map(({ condition }) => condition))

  test('are of the model, and leave no matcher out', () => {
    assert.deepEqual(PolicySet.parse({ policies: [policy], routes: [] }).policies, [policy])
    const kinds = new Set(conditions.flatMap((each) => kindsIn(Condition.parse(each))))
    const texts = ['exact', 'prefix', 'suffix', 'regex', 'present']
    const expected = [
      ...['all', 'any', 'not'],
      ...Leaf.options.map(({ shape }) => shape.kind.value),
      ...['exact', 'segments', 'prefix', 'suffix', 'regex'].map((kind) => `path ${kind}`),
      ...['header', 'query', 'cookie'].flatMap((on) => texts.map((kind) => `${on} ${kind}`)),
    ]
    assert.deepEqual(
      expected.filter((kind) => !kinds.has(kind)),
      [],
    )
    assert.deepEqual(
      new Set(policy.allow.map(({ peers }) => peers?.[0]?.kind)),
      new Set([undefined, 'endpoints', 'cidr']),
    )
  })

  test('allow each request by one of the first ten, as often as there are rules', () => {
    const verdicts = requests
      .slice(0, 10)
      .map((request) => evaluate({ policies: [policy], routes: [] }, connection, request))
    assert.deepEqual(
      verdicts.map(({ kind, deciding }) => [kind, deciding?.source.line]),
      Array.from({ length: 10 }, (_, index) => ['allow', index + 1]),
    )
  })
})

describe('a case', () => {
  const speeds = (...each: number[]) => each.map((requests_per_second) => ({ requests_per_second }))
  const samples = new Map([
    ['deny', speeds(90, 110, 99)],
    [BASELINE, speeds(100, 100, 90)],
  ])
  const denied = { name: 'deny', action: 'deny', against: BASELINE }

  test('has met its goal by the median of its rounds, each divided by its own baseline', () => {
    const { ratio, spread, met, goal } = judge({ ...denied, goal: 1 }, samples)
    assert.deepEqual(
      { ratio, spread, met, goal },
      { ratio: 1.1, spread: { min: 0.9, max: 1.1 }, met: true, goal: 1 },
    )
    assert.equal(judge({ ...denied, goal: 1.2 }, samples).met, false)
  })

  test('without a goal meets none', () => {
    const noise = judge(denied, samples)
    assert.deepEqual([noise.goal, noise.met], [null, null])
    assert.match(shownCases([noise]), /deny +1.1 \(0.9..1.1\) +noise/)
  })
})
