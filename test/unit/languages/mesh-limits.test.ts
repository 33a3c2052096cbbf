import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Limit } from '../../../pipelines/policy/limit.ts'
import { only, refusals } from './cilium-text.ts'
import { rule, warnings } from './mesh-text.ts'

const counted = (limit: string, more = '') =>
  rule(`name: l, action: limit, ports: [80], match: {}, limit: ${limit}`, more)
const limitOf = (text: string): Limit | undefined => only(counted(text)).limits?.[0]?.limit

describe('a limit of a MeshPolicy', () => {
  const MEANT: [text: string, meant: Partial<Limit>][] = [
    ['{rate: 100, per: 1s}', { bucket: 'token', rate: 100, per: 1_000, burst: 100, key: [] }],
    ['{rate: 5, per: 1m, burst: 2}', { rate: 5, per: 60_000, burst: 2 }],
    ['{bucket: leaky, rate: 5, per: 500ms}', { bucket: 'leaky', per: 500, burst: 1 }],
    ['{rate: 1, per: 24h}', { per: 86_400_000 }],
    ['{rate: 1, per: 1s, key: [path]}', { key: [{ kind: 'path' }] }],
    [
      '{rate: 1, per: 1s, key: [path, {header: X-Tenant}, identity]}',
      { key: [{ kind: 'header', name: 'x-tenant' }, { kind: 'identity' }, { kind: 'path' }] },
    ],
  ]
  for (const [text, meant] of MEANT) {
    test(text, () => {
      const limit = limitOf(text)
      assert.deepEqual({ ...limit, ...meant }, limit)
    })
  }

  test('counts requests, and makes nothing default-deny', () => {
    const policy = only(
      rule(
        'name: l, action: limit, reason: fair, from: [{cidr: 10.0.0.0/8}], ports: [80], match: {method: GET}, limit: {rate: 1, per: 1s}',
      ),
    )
    const [one] = policy.limits ?? []
    assert.equal(policy.selects, false)
    assert.deepEqual([one?.name, one?.reason, one?.ports?.length, one?.peers?.length], ['l', 'fair', 1, 1])
    assert.deepEqual(
      one?.http.map(({ condition }) => condition?.kind),
      ['method'],
    )
  })

  test('has its paths refused like any other rule', () => {
    const text = counted('{rate: 1, per: 1s}', '  paths: {dotSegments: refuse}')
    assert.equal(warnings(text).length, 0)
    assert.deepEqual(
      only(text).deny.map(({ ports, reason }) => [ports?.[0]?.first, reason]),
      [[80, 'paths.dotSegments: refuse']],
    )
  })

  test('for no one is warned about', () => {
    assert.match(
      warnings(
        rule('name: l, action: limit, from: [], ports: [80], match: {}, limit: {rate: 1, per: 1s}'),
      ).join(),
      /a limit for no one changes nothing/,
    )
  })
})

refusals('refusals of limits', [
  [
    'without limit',
    rule('name: l, action: limit, ports: [80], match: {}'),
    /6:11 schema-violation the action limit without `limit`/,
  ],
  [
    'without name',
    rule('action: limit, ports: [80], match: {}, limit: {rate: 1, per: 1s}'),
    /a limit without name/,
  ],
  ['without match', rule('name: l, action: limit, limit: {rate: 1, per: 1s}'), /a limit without match/],
  [
    'in another action',
    rule('action: allow, ports: [80], match: {}, limit: {rate: 1, per: 1s}'),
    /a limit in a rule that is to allow/,
  ],
  ['no rate', counted('{per: 1s}'), /rate/],
  ['a rate of none', counted('{rate: 0, per: 1s}'), /schema-violation .*rate/],
  ['no duration', counted('{rate: 1, per: soon}'), /write a duration/],
  ['no time at all', counted('{rate: 1, per: 0s}'), /`0s` is no time at all/],
  ['more than a day', counted('{rate: 1, per: 25h}'), /`25h` is longer than a day/],
  ['a burst of none', counted('{rate: 1, per: 1s, burst: 0}'), /schema-violation .*burst/],
  [
    'an unknown key',
    counted('{rate: 1, per: 1s, key: [colour]}'),
    /schema-violation .*key\[0\].*"identity"\|"path"/,
  ],
  ['a key twice', counted('{rate: 1, per: 1s, key: [path, path]}'), /the key path stands twice/],
  [
    'a header twice',
    counted('{rate: 1, per: 1s, key: [{header: x-a}, {header: X-A}]}'),
    /the key header x-a stands twice/,
  ],
  [
    'a header that is none',
    counted('{rate: 1, per: 1s, key: [{header: "x a"}]}'),
    /`x a` is no name of a header/,
  ],
  [
    'a header that frames',
    counted('{rate: 1, per: 1s, key: [{header: Content-Length}]}'),
    /frames the message/,
  ],
])
