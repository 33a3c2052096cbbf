import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { only, refusals } from './cilium-text.ts'
import { rule, warnings } from './mesh-text.ts'

const copied = (mirror: string, ports = '[80]') =>
  rule(`action: mirror, ports: ${ports}, match: {}, mirror: ${mirror}`)

describe('a mirror of a MeshPolicy', () => {
  const MEANT: [text: string, ports: string, name: string, port: number, ratio: number][] = [
    ['{to: next}', '[80]', 'next', 80, 1_000_000],
    ['{to: "next:8080", ratio: 0.1}', '[80, 81]', 'next', 8080, 100_000],
    ['{to: a-b-1, ratio: 0.000001}', '[{from: 8000, to: 8000}]', 'a-b-1', 8000, 1],
    ['{to: next, ratio: 0}', '[80]', 'next', 80, 0],
  ]
  for (const [text, ports, name, port, ratio] of MEANT) {
    test(`${text} on ${ports}`, () => {
      const policy = only(copied(text, ports))
      assert.deepEqual(
        policy.mirrors?.map(({ mirror }) => mirror),
        [{ to: { namespace: policy.namespace, name, port }, ratio }],
      )
    })
  }

  test('copies requests, and makes nothing default-deny', () => {
    const policy = only(
      rule('action: mirror, reason: try, ports: [80], match: {method: GET}, mirror: {to: next, ratio: 0.5}'),
    )
    assert.deepEqual([policy.selects, policy.allow, policy.deny], [false, [], []])
    const [one] = policy.mirrors ?? []
    assert.deepEqual([one?.reason, one?.http.map(({ condition }) => condition?.kind)], ['try', ['method']])
  })

  test('for no one is warned about', () => {
    const text = warnings(rule('action: mirror, from: [], ports: [80], match: {}, mirror: {to: next}')).join()
    assert.match(text, /a mirror for no one changes nothing/)
  })
})

refusals('refusals of mirrors', [
  [
    'without mirror',
    rule('action: mirror, ports: [80], match: {}'),
    /6:11 schema-violation the action mirror without `mirror`/,
  ],
  [
    'beside another action',
    rule('action: allow, ports: [80], match: {}, mirror: {to: next}'),
    /schema-violation a mirror in a rule that is to allow/,
  ],
  [
    'without match',
    rule('action: mirror, ports: [80], mirror: {to: next}'),
    /schema-violation a mirror without match/,
  ],
  ['to another namespace', copied('{to: other/next}'), /`other\/next` is no service of this namespace/],
  ['to port 0', copied('{to: "next:0"}'), /`next:0` is no service/],
  ['to one of two ports', copied('{to: next}', '[80, 81]'), /which port of `next`\?.*\| write next:80/],
  ['to one of a range', copied('{to: next}', '[{from: 80, to: 90}]'), /which port of `next`\?/],
  ['of more than all', copied('{to: next, ratio: 1.5}'), /schema-violation .*ratio/],
  ['of less than a millionth', copied('{to: next, ratio: 0.0000001}'), /finer than a millionth/],
])
