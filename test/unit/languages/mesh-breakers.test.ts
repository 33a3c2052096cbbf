/** Breakers of a MeshPolicy: read, refused, told in a plan, and laid out for kernel and agent. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { routeContentFor } from '../../../agent/route-choices.ts'
import { readPolicies, type TextFile } from '../../../functions/validate/load-policies.ts'
import { Breaker, breakerFor, breakerText, type ServiceBreaker } from '../../../pipelines/policy/breaker.ts'
import type { PolicySet } from '../../../pipelines/policy/model.ts'
import { planOf } from '../../../pipelines/policy/plan.ts'
import { breakerIn, breakerWords } from '../../../pipelines/tables/breakers.ts'
import { buildTables } from '../../../pipelines/tables/build-tables.ts'
import { TablesWalker } from '../../../pipelines/tables/walk.ts'
import { refusals, refused } from './cilium-text.ts'
import { TO } from './mesh-text.ts'

/** Everything stands in line 5. */
const guarded = (breaker: string, service = '{name: echo, port: 80}', name = 'm', more = ''): TextFile => ({
  path: `${name}.yaml`,
  text: `apiVersion: heddle.dev/v1\nkind: MeshPolicy\nmetadata: {name: ${name}, namespace: shop}\nspec:\n  {service: ${service}, breaker: ${breaker}${more}}`,
})

function setOf(...files: TextFile[]): PolicySet {
  const loaded = readPolicies(files)
  if (!('set' in loaded)) assert.fail(loaded.findings.map(({ message }) => message).join('\n'))
  return loaded.set
}
function only(text: TextFile): ServiceBreaker {
  const [found, second] = setOf(text).breakers ?? []
  assert.ok(found && second === undefined)
  return found
}

const ALL =
  '{consecutiveErrors: 5, errorRate: {percent: 50, window: 10s, minimumVolume: 20}, maxInFlight: 100, maxPending: 32, open: 1m, probes: 3}'

describe('a breaker of a policy of a service', () => {
  test('says what it bounds', () => {
    const { breaker, service, name, namespace, source } = only(guarded(ALL))
    assert.deepEqual(breaker, {
      consecutiveErrors: 5,
      errorRate: { percent: 50, window: 10_000, minimumVolume: 20 },
      maxInFlight: 100,
      maxPending: 32,
      open: 60_000,
      probes: 3,
    })
    assert.deepEqual(service, { namespace: 'shop', name: 'echo', port: 80 })
    assert.deepEqual([namespace, name, source.line], ['shop', 'm', 5])
    assert.match(breakerText(breaker), /^open for 60000 ms after 5 errors in a row or 50 % of 20 requests/)
  })

  test('is open for 30 s and has one probe, where nothing else is written', () => {
    const { breaker } = only(guarded('{consecutiveErrors: 1}'))
    assert.deepEqual(breaker, { consecutiveErrors: 1, open: 30_000, probes: 1 })
  })

  test('is of every port where none is written, and stands beside routes', () => {
    const set = setOf(guarded('{maxInFlight: 1}', '{name: echo}', 'm', `, routes: [{${TO}}]`))
    assert.equal(set.routes.length, 1)
    assert.equal(set.breakers?.[0]?.service.port, null)
    // Alone it routes nothing: no request is answered with 404 for want of a route.
    assert.equal(setOf(guarded('{maxInFlight: 1}')).routes.length, 0)
  })

  test('what is read is what the model allows', () => {
    for (const text of [ALL, '{maxPending: 65536}', '{consecutiveErrors: 1000, open: 100ms, probes: 1000}'])
      Breaker.parse(only(guarded(text)).breaker)
  })

  test('a plan says that it comes, changes and goes', () => {
    const of = (text: string) => setOf(guarded(text))
    const none = setOf()
    const changes = (before: PolicySet, after: PolicySet) =>
      planOf(before, after).changes.map(({ kind, change, service }) => `${kind} ${change} ${service}`)
    assert.deepEqual(changes(none, of('{maxInFlight: 1}')), ['breaker added shop/echo:80'])
    assert.deepEqual(changes(of('{maxInFlight: 1}'), of('{maxInFlight: 2}')), [
      'breaker changed shop/echo:80',
    ])
    assert.deepEqual(changes(of('{maxInFlight: 1}'), none), ['breaker removed shop/echo:80'])
  })

  test('tables and agent lead a service to its rule', () => {
    const set = setOf(
      guarded(ALL),
      guarded('{maxInFlight: 7}', '{name: echo}', 'n'),
      guarded('{maxInFlight: 7}', '{name: other}', 'o'),
    )
    const built = buildTables(set)
    assert.ok(built.ok)
    const { blob, breakers } = built.tables
    // Equal rules stand there once.
    assert.deepEqual(
      breakers.map(({ rule }) => rule),
      [0, 1, 1],
    )
    const numbers = new Map([
      ['shop/echo:80', 3],
      ['shop/echo:81', 4],
      ['shop/others:80', 5],
      ['data/echo:80', 6],
    ])
    const content = routeContentFor({ services: [], routes: [], breakers }, { numbers, identities: [] })
    assert.deepEqual(content.breakers, [
      { service: 3, rule: 0 },
      { service: 4, rule: 1 },
    ])
    const walker = new TablesWalker(Buffer.from(blob))
    for (const port of [80, 81]) {
      const found = breakerFor(set.breakers ?? [], { namespace: 'shop', name: 'echo', port })
      const number = numbers.get(`shop/echo:${port}`)
      const chosen: { rule: number } | undefined = content.breakers?.find(({ service }) => service === number)
      assert.deepEqual(breakerIn(walker, chosen?.rule ?? -1), breakerWords(found?.breaker as Breaker))
    }
  })

  test('two of one port are refused where the second stands', () => {
    const [found, ...others] = refused(
      guarded('{maxInFlight: 1}'),
      guarded('{maxInFlight: 2}', undefined, 'n'),
    )
    assert.match(
      found ?? '',
      /^n.yaml:5:\d+ duplicate-policy the breaker of shop\/echo:80 is already at m.yaml:5 \| /,
    )
    assert.deepEqual(others, [])
    assert.equal(
      setOf(guarded('{maxInFlight: 1}'), guarded('{maxInFlight: 2}', '{name: echo}', 'n')).breakers?.length,
      2,
    )
  })
})

refusals('refusals of breakers', [
  ['nothing in it', guarded('{}'), /^m.yaml:5:\d+ schema-violation a breaker that refuses nothing \| write/],
  [
    'an end of what nothing opens',
    guarded('{maxInFlight: 1, open: 1s}'),
    /schema-violation `open` of a breaker that nothing opens \| write consecutiveErrors or errorRate, or remove it/,
  ],
  ['probes of it', guarded('{maxPending: 1, probes: 2}'), /`probes` of a breaker that nothing opens/],
  [
    'too short',
    guarded('{consecutiveErrors: 1, open: 99ms}'),
    /`99ms` is too short \| write a duration from 100ms/,
  ],
  ['too long', guarded('{consecutiveErrors: 1, open: 2h}'), /`2h` is too long/],
  [
    'a window too short',
    guarded('{errorRate: {percent: 1, window: 999ms, minimumVolume: 1}}'),
    /`999ms` is too short \| write a duration from 1s to 10m/,
  ],
  ['no duration', guarded('{consecutiveErrors: 1, open: 5}'), /schema-violation .*open/],
  [
    'no share',
    guarded('{errorRate: {percent: 0, window: 1s, minimumVolume: 1}}'),
    /schema-violation .*percent/,
  ],
  ['half of a rate', guarded('{errorRate: {percent: 1}}'), /schema-violation .*(window|minimumVolume)/],
  ['too many probes', guarded('{consecutiveErrors: 1, probes: 1001}'), /schema-violation .*probes/],
  ['another word', guarded('{consecutive5xx: 3}'), /unknown-field .*consecutive5xx/],
  [
    'a Service of another namespace',
    guarded('{maxInFlight: 1}', '{name: echo, namespace: data}'),
    /tenancy-violation a breaker of data\/echo, a Service of another namespace \| write it in a policy of namespace data/,
  ],
  [
    'of a subject',
    {
      path: 'm.yaml',
      text: 'apiVersion: heddle.dev/v1\nkind: MeshPolicy\nmetadata: {name: m}\nspec: {subject: {}, rules: [{action: allow}], breaker: {maxInFlight: 1}}',
    },
    /schema-violation `breaker` of a subject/,
  ],
])
