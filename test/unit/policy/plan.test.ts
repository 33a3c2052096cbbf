import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { Policy, PolicySet } from '../../../pipelines/policy/model.ts'
import { planOf } from '../../../pipelines/policy/plan.ts'
import { from, http, policy, rule, tcp } from './small-policies.ts'

const set = (...policies: Policy[]): PolicySet => ({ policies, routes: [] })
const http80 = (...paths: string[]) =>
  policy({
    allow: [rule(1, { peers: from('web'), ports: tcp(80), http: paths.map((path) => http(2, { path })) })],
  })
const open80 = policy({ allow: [rule(1, { peers: from('web'), ports: tcp(80) })] })
const denied = policy({ ...open80, deny: [rule(3, { peers: from('web'), ports: tcp(80) })] })
const other = policy({ name: 'q', allow: [rule(1, { peers: from('web'), ports: tcp(80) })] })

/** What becomes of web → api:80. */
function lane(before: PolicySet, after: PolicySet): string {
  const effect = planOf(before, after).effects.find(
    ({ peer, port }) => peer.startsWith('app=web') && port.startsWith('80'),
  )
  if (effect === undefined) return 'as it was'
  const named = [...effect.opened.map((each) => `+${each}`), ...effect.closed.map((each) => `-${each}`)]
  return [`${effect.before} → ${effect.after}`, ...named].join(' ')
}

describe('plan', () => {
  const rows: [string, PolicySet, PolicySet, string][] = [
    ['a first policy with requests', set(), set(http80('/a')), 'open → requests'],
    ['a policy that goes', set(http80('/a')), set(), 'requests → open'],
    ['another request', set(http80('/a')), set(http80('/a', '/b')), 'requests → requests +any method /b'],
    [
      'a request in the place of another',
      set(http80('/a')),
      set(http80('/b')),
      'requests → requests +any method /b -any method /a',
    ],
    ['requests that become everything', set(http80('/a')), set(open80), 'requests → open'],
    ['a deny rule', set(open80), set(denied), 'open → closed'],
    ['the end of a deny rule', set(denied), set(open80), 'closed → open'],
    ['the same', set(open80), set(open80), 'as it was'],
    ['a rule that another policy has as well', set(open80, other), set(other), 'as it was'],
    [
      'requests of a connection that another policy opens',
      set(http80('/a'), other),
      set(http80('/b'), other),
      'as it was',
    ],
  ]
  for (const [what, before, after, effect] of rows) {
    it(`says what ${what} does: ${effect}`, () => assert.equal(lane(before, after), effect))
  }

  it('tells strangers of the default that a first policy brings', () => {
    const stranger = planOf(set(), set(open80)).effects.find(({ peer }) => peer === 'anyone else')
    assert.deepEqual(
      [stranger?.before, stranger?.after, stranger?.port],
      ['open', 'closed', 'any other port'],
    )
  })

  it('takes a moved line for no change', () => {
    const moved = policy({ ...open80, source: { file: 'q.yaml', line: 9, column: 9 } })
    assert.deepEqual(planOf(set(open80), set(moved)).changes, [])
  })

  it('names what was added, changed and removed', () => {
    const [a, b, c] = ['a', 'b', 'c'].map((name) => policy({ name })) as [Policy, Policy, Policy]
    const { changes } = planOf(set(a, b), set({ ...b, unparsed: 'pass' }, c))
    assert.deepEqual(
      changes.map(({ change, name }) => `${change} ${name}`),
      ['removed a', 'changed b', 'added c'],
    )
  })

  it('names services of routes', () => {
    const service = { namespace: 'shop', name: 'cart', port: 80 }
    const route = {
      name: 'r',
      namespace: 'shop',
      source: open80.source,
      created: '' as const,
      service,
      clients: null,
      rules: [],
    }
    const { changes } = planOf(set(), { policies: [], routes: [route] })
    assert.deepEqual(
      changes.map(({ kind, service: named }) => [kind, named]),
      [['route', 'shop/cart:80']],
    )
  })

  it('counts what it does not name', () => {
    const many = Array.from({ length: 700 }, (_, at) =>
      policy({ name: `p${at}`, allow: [rule(1, { ports: tcp(at + 1) })] }),
    )
    const { changes, unnamed } = planOf(set(), set(...many))
    assert.deepEqual([changes.length, unnamed.changes, unnamed.probes > 0], [500, 200, true])
  })

  it('is the mirror image of the way back, whatever the policies', () => {
    const pool = [
      http80('/a'),
      http80('/a', '/b'),
      open80,
      denied,
      other,
      policy({ name: 'q', selects: false }),
    ]
    const sets = fc
      .uniqueArray(fc.constantFrom(...pool), { selector: ({ name }) => name })
      .map((some) => set(...some))
    fc.assert(
      fc.property(sets, sets, (one, two) => {
        const [there, back] = [planOf(one, two), planOf(two, one)]
        const mirrored = back.effects.map((effect) => ({
          ...effect,
          before: effect.after,
          after: effect.before,
          opened: effect.closed,
          closed: effect.opened,
        }))
        // Requests are named on one side only where the other is open: steps are compared.
        const steps = (effects: typeof mirrored) =>
          effects
            .map(({ subject, peer, port, before, after }) => [subject, peer, port, before, after].join())
            .sort()
        assert.deepEqual(steps(there.effects), steps(mirrored))
      }),
      { seed: 20261123, numRuns: 100 },
    )
  })
})
