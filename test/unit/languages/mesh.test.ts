import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { TextFile } from '../../../functions/validate/load-policies.ts'
import { conditionHolds } from '../../../pipelines/policy/condition-match.ts'
import type { Request } from '../../../pipelines/protocols/http1-request.ts'
import { utf8 } from '../../../pipelines/bytes.ts'
import { accepted, file, only, refused, SUBJECT } from './cilium-text.ts'
import { match, mesh, rule, warnings } from './mesh-text.ts'

const tcp = (first: number, last = first) => ({ protocol: 'TCP', first, last })

describe('a rule', () => {
  const peers = (text: string) => only(rule(`action: allow, from: [${text}]`)).allow[0]?.peers

  test('allows or denies connections, of everyone on every port', () => {
    const policy = only(mesh('{action: allow}, {action: deny}'))
    const everything = { peers: null, ports: null, http: null }
    assert.deepEqual(policy.allow, [{ source: { file: 'm.yaml', line: 6, column: 11 }, ...everything }])
    assert.deepEqual(policy.deny, [{ source: { file: 'm.yaml', line: 6, column: 28 }, ...everything }])
  })
  test('allows or denies requests, and says where and why', () => {
    const policy = only(rule('action: deny, reason: why not, ports: [80], match: {method: GET}'))
    assert.deepEqual(policy.allow, [])
    assert.deepEqual(policy.deny, [
      {
        source: { file: 'm.yaml', line: 6, column: 11 },
        peers: null,
        ports: [tcp(80)],
        http: [
          {
            source: { file: 'm.yaml', line: 6, column: 56 },
            headers: [],
            condition: { kind: 'method', text: { kind: 'exact', value: 'GET' } },
          },
        ],
        reason: 'why not',
      },
    ])
  })
  test('has ports of TCP', () => {
    const policy = only(rule('action: allow, ports: [80, {from: 8000, to: 8100}]'))
    assert.deepEqual(policy.allow[0]?.ports, [tcp(80), tcp(8000, 8100)])
  })
  test('is for workloads of the namespace, unless they are of another, and for addresses', () => {
    const app = { key: 'app', operator: 'In', values: ['web'] }
    assert.deepEqual(
      peers('{labels: {matchLabels: {app: web}}}, {cidr: 10.1.2.3/8, except: [10.1.0.0/16]}'),
      [
        { kind: 'endpoints', selector: { namespaces: ['default'], requirements: [app] } },
        { kind: 'cidr', cidr: '10.0.0.0/8', except: ['10.1.0.0/16'] },
      ],
    )
    assert.deepEqual(peers('{labels: {matchLabels: {io.kubernetes.pod.namespace: shop}}}'), [
      { kind: 'endpoints', selector: { namespaces: ['shop'], requirements: [] } },
    ])
    assert.deepEqual(peers(''), [])
  })
})

describe('a policy', () => {
  test('is about workloads of its namespace', () => {
    const { name, namespace, subject, source } = only(
      mesh('{action: allow}', '', '{name: m, namespace: shop}'),
    )
    assert.deepEqual(
      { name, namespace, subject, source },
      {
        name: 'm',
        namespace: 'shop',
        subject: { namespaces: ['shop'], requirements: [{ key: 'app', operator: 'In', values: ['api'] }] },
        source: { file: 'm.yaml', line: 4, column: 1 },
      },
    )
  })
  test('makes its subject default-deny when it allows anything, be it to no one', () => {
    assert.equal(only(rule('action: deny')).selects, false)
    assert.equal(only(mesh('{action: deny}, {action: allow, from: []}')).selects, true)
  })
  test('refuses what is not HTTP/1 unless it lets it pass', () => {
    assert.equal(only(match('{}')).unparsed, 'refuse')
    assert.equal(only(match('{}', '  unparsed: pass')).unparsed, 'pass')
  })
  test('says which refusals are meant', () => {
    const annotated = mesh('{action: allow}', '', '{name: m, annotations: {heddle.dev/refuses: GET /p}}')
    assert.deepEqual(only(annotated).refuses, [{ method: 'GET', path: '/p' }])
    assert.equal(only(rule('action: allow')).refuses, undefined)
  })
})

describe('paths that servers read in more than one way', () => {
  const request = (target: string): Request => ({
    method: utf8('GET'),
    target: utf8(target),
    version: '1.1',
    fields: [],
  })
  const TABLE: [option: string, refused: string[], kept: string[]][] = [
    [
      'dotSegments',
      ['/.', '/..', '/a/../b', '/a/./b', '/a/..', '/%2e%2E/a', '/.%2e?q'],
      ['/', '/...', '/a..', '/..a/b', '/.well-known/x', '/a.b/c', '/a?x=/../', '/%2f'],
    ],
    ['doubleSlashes', ['//', '/a//b', '/a//'], ['/', '/a/b/', '/a?x=//', '/%2f/']],
    ['encodedSlashes', ['/a%2Fb', '/%2f', '/%5c..', '/a%5C'], ['/%2e', '/%252f', '/a?x=%2F', '/%5b', '/2F']],
    [
      'encodedLetters',
      [...'AZMOPaoz09-._~'].flatMap((letter) => {
        const hex = letter.charCodeAt(0).toString(16)
        return [`/${'%'}${hex}`, `/x%${hex.toUpperCase()}/y`]
      }),
      ['/a', '/%20', '/%2F', '/%40', '/%5b', '/%60', '/%7B', '/%7d', '/%3a', '/%2c', '/%6', '/?%61'],
    ],
  ]
  for (const [option, bad, good] of TABLE) {
    test(`${option}: refuse`, () => {
      const { deny } = only(match('{}', `  paths: {${option}: refuse}`))
      const [found, second] = deny
      const leaf = found?.http?.[0]?.condition
      assert.ok(found && leaf && second === undefined)
      assert.equal(found.reason, `paths.${option}: refuse`)
      assert.deepEqual([found.peers, found.source.line, found.source.column], [null, 7, 11])
      for (const target of bad) assert.ok(conditionHolds(leaf, request(target)), `${target} is refused`)
      for (const target of good) assert.ok(!conditionHolds(leaf, request(target)), `${target} is kept`)
    })
  }
  test('keep is what is usual', () => {
    const options = TABLE.map(([option]) => `${option}: keep`).join(', ')
    assert.deepEqual(only(match('{}', `  paths: {${options}}`)).deny, [])
  })
  test('are refused once for each list of ports that has a match, behind the other rules', () => {
    const rules = [
      '{action: deny, ports: [80, 81], match: {}}',
      '{action: allow, ports: [81, 80], match: {}}',
      '{action: allow, ports: [82], match: {}}',
      '{action: allow, ports: [83]}',
    ]
    const { deny } = only(mesh(rules.join(','), '  paths: {dotSegments: refuse, doubleSlashes: refuse}'))
    assert.deepEqual(
      deny.map(({ reason, ports }) => [reason, ports?.map(({ first }) => first).sort()]),
      [
        [undefined, [80, 81]],
        ['paths.dotSegments: refuse', [80, 81]],
        ['paths.dotSegments: refuse', [82]],
        ['paths.doubleSlashes: refuse', [80, 81]],
        ['paths.doubleSlashes: refuse', [82]],
      ],
    )
  })
})

describe('warnings', () => {
  const denied = (text: string) => rule(`action: deny, ports: [80], match: ${text}`)
  const TABLE: [string, TextFile, RegExp][] = [
    [
      'a denial by path',
      denied('{path: {prefix: /a}}'),
      /^6:47 .*compared as they are sent \| write paths: \{dotS/,
    ],
    ['a denial by path inside all', denied('{all: [{}, {path: {prefix: /a}}]}'), /^6:58 .*as they are sent/],
    ['a denial by path inside any', denied('{any: [{path: {prefix: /a}}]}'), /^6:54 .*as they are sent/],
    ['a denial by path inside not', denied('{not: {path: {prefix: /a}}}'), /^6:53 .*as they are sent/],
    [
      'requests on a port of TLS',
      rule('action: allow, ports: [443], match: {}'),
      /^6:35 .*443.*unparsed: pass/,
    ],
    [
      'requests on ports of TLS',
      rule('action: allow, ports: [80, {from: 8000, to: 9000}], match: {}'),
      /^6:39 .*port 8443: TLS/,
    ],
    ['a denial for no one', rule('action: deny, from: []'), /^6:26 a denial for no one changes nothing/],
    ['paths without match', rule('action: allow', '  paths: {dotSegments: refuse}'), /^7:3 `paths` changes/],
    ['unparsed without match', rule('action: allow', '  unparsed: pass'), /^7:3 `unparsed` changes nothing/],
  ]
  for (const [says, text, expected] of TABLE) {
    test(says, () => {
      const [found, second] = warnings(text)
      assert.equal(second, undefined)
      assert.match(found ?? 'nothing', expected)
    })
  }
  const QUIET: [string, TextFile][] = [
    ['an allowed path', match('{path: {prefix: /a}}')],
    [
      'a denial by path, its author knowing',
      rule('action: deny, ports: [80], match: {path: {prefix: /a}}', '  paths: {}'),
    ],
    ['a denial by other things', denied('{all: [{method: GET}], not: {host: a}}')],
    ['connections on a port of TLS', rule('action: allow, ports: [443]')],
    ['default deny', rule('action: allow, from: []')],
    ['paths that are kept', rule('action: allow', '  paths: {dotSegments: keep}')],
  ]
  for (const [says, text] of QUIET) test(`none of ${says}`, () => assert.deepEqual(warnings(text), []))
})

describe('beside other languages', () => {
  const cilium = file(`${SUBJECT}  ingress: [{}]\n`)
  const own = mesh('{action: allow}')

  test('in one file', () => {
    const policies = accepted({ path: 'both.yaml', text: `${cilium.text}---\n${own.text}` })
    assert.deepEqual(
      policies.map(({ name, source }) => `${name} ${source.line}`),
      ['p 4', 'm 11'],
    )
  })
  test('a name is given once, whatever the language', () => {
    const [found] = refused(cilium, mesh('{action: allow}', '', '{name: p}', 'q.yaml'))
    assert.match(found ?? '', /^q.yaml:4:1 duplicate-policy policy default\/p is already at p.yaml:1/)
    assert.match(refused(own, { ...own, path: 'n.yaml' })[0] ?? '', /duplicate-policy/)
  })
  test('speaks for the namespaces that its path may', () => {
    const tenants = { path: 'tenants.yaml', text: 'tenants: [{path: a, namespaces: [shop]}]' }
    const at = (path: string) => mesh('{action: allow}', '', '{name: m, namespace: shop}', path)
    assert.equal(accepted(tenants, at('a/m.yaml')).length, 1)
    assert.match(refused(tenants, at('b/m.yaml'))[0] ?? '', /^b\/m.yaml:4:1 tenancy-violation/)
  })
})
