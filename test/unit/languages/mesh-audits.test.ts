import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { only, refusals } from './cilium-text.ts'
import { mesh, rule, warnings } from './mesh-text.ts'

describe('an audit of a MeshPolicy', () => {
  test('sees requests, and makes nothing default-deny', () => {
    const policy = only(
      rule('name: a, action: audit, reason: before we deny it, ports: [80], match: {path: {prefix: /admin}}'),
    )
    const [one] = policy.audits ?? []
    assert.deepEqual([policy.selects, policy.allow, policy.deny, policy.limits], [false, [], [], undefined])
    assert.deepEqual([one?.name, one?.reason, one?.ports?.length], ['a', 'before we deny it', 1])
    assert.deepEqual(
      one?.http.map(({ condition }) => condition?.kind),
      ['path'],
    )
  })

  test('brings no refusal of paths to its ports', () => {
    const audits = (action: string) =>
      only(
        mesh(
          `{action: allow, ports: [80], match: {}}, {name: a, action: ${action}, ports: [81], match: {}}`,
          '  paths: {dotSegments: refuse}',
        ),
      ).deny.map(({ ports }) => ports?.[0]?.first)
    assert.deepEqual(audits('audit'), [80])
    assert.deepEqual(audits('allow'), [80, 81])
  })

  test('says nothing of a port where TLS is spoken: that passes there as before', () => {
    assert.deepEqual(warnings(rule('name: a, action: audit, ports: [443], match: {}')), [])
  })

  test('for no one, and `unparsed` beside nothing else, are warned about', () => {
    const none = rule('name: a, action: audit, from: [], ports: [80], match: {}')
    assert.match(warnings(none).join(), /an audit for no one changes nothing/)
    const unparsed = rule('name: a, action: audit, ports: [80], match: {}', '  unparsed: refuse')
    assert.match(warnings(unparsed).join(), /`unparsed` changes nothing/)
  })
})

refusals('refusals of audits', [
  [
    'without name',
    rule('action: audit, ports: [80], match: {}'),
    /6:11 schema-violation an audit without name/,
  ],
  [
    'without match',
    rule('name: a, action: audit, ports: [80]'),
    /6:11 schema-violation an audit without match: it sees requests/,
  ],
  ['without ports', rule('name: a, action: audit, match: {}'), /a match without ports/],
  [
    'with a limit',
    rule('name: a, action: audit, ports: [80], match: {}, limit: {rate: 1, per: 1s}'),
    /a limit in a rule that is to audit/,
  ],
  [
    'a name twice',
    mesh('{name: a, action: audit, ports: [80], match: {}}, {name: a, action: deny, ports: [80], match: {}}'),
    /a second rule with the name `a`/,
  ],
])
