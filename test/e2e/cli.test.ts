import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { HEDDLE, heddleIn } from '../fakes/heddle-command.ts'

const POLICY = `apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: api}
spec:
  endpointSelector: {matchLabels: {app: api}}
  ingress:
  - fromEndpoints: [{matchLabels: {app: web}}]
    toPorts:
    - ports: [{port: "80", protocol: TCP}]
      rules:
        http:
        - {method: GET, path: /public}
        - {path: /host, host: internal, headers: ["X-Key: 1"]}
`
const WORKLOADS = `workloads:
- {name: api-1, namespace: default, labels: {app: api}, addresses: [10.0.0.2]}
- {name: web-1, namespace: default, labels: {app: web}, addresses: [10.0.0.3]}
`

let folder = ''
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'heddle-cli-'))
  mkdirSync(join(folder, 'good/deep'), { recursive: true })
  mkdirSync(join(folder, 'good/.hidden'))
  writeFileSync(join(folder, 'good/deep/api.yaml'), POLICY)
  writeFileSync(join(folder, 'good/README.md'), '# no policy')
  writeFileSync(join(folder, 'good/.hidden/ci.yaml'), 'on: push')
  writeFileSync(join(folder, 'bad.yaml'), POLICY.replace('ingress:', 'ingres:'))
  writeFileSync(join(folder, 'workloads.yaml'), WORKLOADS)
})
after(() => rmSync(folder, { recursive: true, force: true }))

const heddle = (...args: string[]) => heddleIn(folder, ...args)

describe('heddle', () => {
  test('tells its version and its commands', () => {
    assert.match(heddle('--version').stdout, /^\d+\.\d+\.\d+\n$/)
    const help = heddle('--help')
    assert.equal(help.status, 0)
    assert.match(help.stdout, /policy[\s\S]*explain/)
  })
  test('needs no libbpf for what is no matter of a kernel', () => {
    const script = `process.argv[2] = '--version'
      await import(process.argv[1])
      process.exitCode = (await import('node:fs')).readFileSync('/proc/self/maps', 'utf8').includes('libbpf') ? 3 : 0`
    const args = ['--input-type=module', '-e', script, HEDDLE]
    const { status, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' })
    assert.deepEqual({ status, stderr }, { status: 0, stderr: '' })
  })
  const WRONG: string[][] = [
    ['frobnicate'],
    ['policy', 'lint'],
    ['policy', 'lint', '--frob', 'good'],
    ['policy', 'lint', 'nowhere'],
    ['explain', '--to', 'app=api'],
    ['explain', '-f', 'good', '--request', 'GET /', '--to', 'nobody'],
    ['explain', '-f', 'good', '--request', 'GET /', '--to', 'app=api', '--port', '0'],
    ['explain', '-f', 'good', '--request', 'GET /', '--to', 'app=api', '--from-address', 'x'],
  ]
  for (const args of WRONG) {
    test(`\`heddle ${args.join(' ')}\` is wrong usage`, () => {
      const { status, stderr } = heddle(...args)
      assert.equal(status, 2)
      assert.match(stderr, /^error: /)
    })
  }
})

describe('heddle policy lint', () => {
  test('accepts a folder', () => {
    const { status, stdout } = heddle('policy', 'lint', 'good')
    assert.equal(status, 0)
    assert.equal(stdout, 'accepted: 1 policies in 1 files\n')
  })
  test('refuses, and says where and why', () => {
    const { status, stdout } = heddle('policy', 'lint', 'good', 'bad.yaml')
    assert.equal(status, 1)
    assert.match(stdout, /^bad\.yaml:6:3 error unknown-field: .*\n {4}did you mean `ingress`\?\n/)
  })
  test('prints findings as JSON', () => {
    const { status, stdout } = heddle('policy', 'lint', '--json', 'bad.yaml')
    assert.equal(status, 1)
    const [finding] = JSON.parse(stdout)
    assert.deepEqual(Object.keys(finding).sort(), [
      'code',
      'column',
      'file',
      'hint',
      'line',
      'message',
      'severity',
    ])
    assert.deepEqual(JSON.parse(heddle('policy', 'lint', '--json', 'good').stdout), [])
  })
})

const TWO_PORTS = `apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: api, namespace: shop}
spec:
  endpointSelector: {matchLabels: {app: api}}
  ingress:
  - toPorts:
    - ports: [{port: "8080", protocol: TCP}]
      rules: {http: [{path: /public}]}
  - toPorts: [{ports: [{port: "9090", protocol: TCP}]}]
`

describe('heddle explain', () => {
  const explain = (...args: string[]) => heddle('explain', '-f', 'good', ...args)
  const TABLE: [string, string[], RegExp][] = [
    [
      'allowed',
      ['--request', 'GET /public HTTP/1.1', '--from', 'app=web', '--to', 'app=api'],
      /^allow .*\n {2}default\/api good\/deep\/api\.yaml:12\n/,
    ],
    [
      'no version in the line',
      ['--request', 'GET /public', '--from', 'app=web', '--to', 'app=api'],
      /^allow /,
    ],
    [
      'denied',
      ['--request', 'PUT /public', '--from', 'app=web', '--to', 'app=api'],
      /^deny-l7 .*\n {2}default\/api good\/deep\/api\.yaml:9\n/,
    ],
    [
      'headers',
      [
        '--request',
        'GET /host',
        '--header',
        'Host: internal',
        '--header',
        'x-key: 1',
        '--from',
        'app=web',
        '--to',
        'app=api',
      ],
      /^allow .*\n.*:13\n/,
    ],
    ['the world', ['--request', 'GET /public', '--to', 'app=api'], /^deny-l4 /],
    [
      'another namespace',
      ['--request', 'GET /public', '--from', 'app=web', '--from-namespace', 'x', '--to', 'app=api'],
      /^deny-l4 /,
    ],
    [
      'another port',
      ['--request', 'GET /public', '--from', 'app=web', '--to', 'app=api', '--port', '81'],
      /^deny-l4 /,
    ],
    [
      'nobody selected',
      ['--request', 'GET /public', '--from', 'app=web', '--to', 'app=db'],
      /^pass \(not-selected\) at port 80\n$/,
    ],
    [
      'no canonical request',
      ['--request', 'GET  /public', '--from', 'app=web', '--to', 'app=api'],
      /^refused \(bad-target\) at port 80\n {2}allow requests default\/api good\/deep\/api\.yaml:9\n$/,
    ],
    [
      'names of workloads',
      ['--workloads', 'workloads.yaml', '--request', 'GET /public', '--from', 'web-1', '--to', 'api-1'],
      /^allow /,
    ],
    [
      'addresses of workloads',
      [
        '--workloads',
        'workloads.yaml',
        '--request',
        'GET /public',
        '--from-address',
        '10.0.0.3',
        '--to',
        'api-1',
      ],
      /^allow /,
    ],
  ]
  for (const [says, args, expected] of TABLE) {
    test(says, () => {
      const { status, stdout, stderr } = explain(...args)
      assert.equal(stderr, '')
      assert.equal(status, 0)
      assert.match(stdout, expected)
    })
  }
  test('prints the verdict as JSON', () => {
    const { stdout } = explain('--json', '--request', 'GET /public', '--from', 'app=web', '--to', 'app=api')
    const { met, ...verdict } = JSON.parse(stdout)
    assert.deepEqual(verdict, {
      kind: 'allow',
      reason: 'request-matches',
      port: 80,
      deciding: {
        policy: 'api',
        namespace: 'default',
        source: { file: 'good/deep/api.yaml', line: 12, column: 11 },
      },
    })
    const [{ matches, action }] = met[0].rules
    assert.equal(action, 'allow')
    assert.deepEqual(
      matches.map(({ source, holds }: { source: unknown; holds: boolean }) => [source, holds]),
      [
        [{ file: 'good/deep/api.yaml', line: 12, column: 11 }, true],
        [{ file: 'good/deep/api.yaml', line: 13, column: 11 }, false],
      ],
    )
  })
  test('says which part of which rule did not hold, with --all of every rule', () => {
    const asked = ['--request', 'GET /host', '--header', 'Host: internal', '--to', 'app=api']
    const verdict = (by: string) => `${by}) at port 80\n  default/api good/deep/api.yaml:`
    assert.equal(
      explain(...asked, '--from', 'app=web').stdout,
      [
        `${verdict('deny-l7 (no-request-rule-matches')}9`,
        '  allow requests default/api good/deep/api.yaml:9',
        '    no  good/deep/api.yaml:12  path regex /public: /host',
        '    no  good/deep/api.yaml:13  header X-Key exact 1: absent\n',
      ].join('\n'),
    )
    const closed = `${verdict('deny-l4 (no-rule-for-peer-and-port')}4\n`
    assert.equal(
      explain(...asked).stdout,
      `${closed}  no rule of 1 applies to the connection; --all says why\n`,
    )
    assert.equal(
      explain(...asked, '--all').stdout,
      [
        `${closed}  allow requests default/api good/deep/api.yaml:9`,
        '    no  from app=web in default: 192.0.2.1',
        '    yes to 80/TCP: 80/TCP\n',
      ].join('\n'),
    )
  })
  test('without a port or a namespace it is asked where the policies are', () => {
    writeFileSync(join(folder, 'ports.yaml'), TWO_PORTS)
    const asked = ['-f', 'ports.yaml', '--request', 'GET /public', '--to', 'app=api']
    assert.equal(
      heddle('explain', ...asked).stdout,
      [
        'allow (request-matches) at port 8080\n  shop/api ports.yaml:9\n',
        '  allow requests shop/api ports.yaml:8\n    yes ports.yaml:9  path regex /public: /public\n',
        'pass (allowed-l4) at port 9090\n  shop/api ports.yaml:10\n',
        '  allow connections shop/api ports.yaml:10\n',
      ].join(''),
    )
    const { port, others } = JSON.parse(heddle('explain', ...asked, '--json').stdout)
    assert.deepEqual([port, others.map((other: { port: number }) => other.port)], [8080, [9090]])
    assert.match(
      heddle('explain', ...asked, '--namespace', 'default').stdout,
      /^pass \(not-selected\) at port 80\n$/,
    )
  })
  test('policies that are refused decide nothing', () => {
    const { status, stderr } = heddle('explain', '-f', 'bad.yaml', '--request', 'GET /', '--to', 'app=api')
    assert.equal(status, 1)
    assert.match(stderr, /^schema-violation: .*\n {2}bad\.yaml:6:3: /)
  })

  test('plans a work tree against a commit, and says what opens', () => {
    const repository = join(folder, 'repository')
    const git = (...args: string[]) =>
      execFileSync('git', ['-c', 'user.name=a', '-c', 'user.email=a@example.org', '-C', repository, ...args])
    mkdirSync(join(repository, 'policies'), { recursive: true })
    git('init', '-q', '-b', 'main')
    writeFileSync(join(repository, 'policies/api.yaml'), POLICY)
    git('add', '-A')
    git('commit', '-q', '-m', 'first')
    writeFileSync(join(repository, 'policies/api.yaml'), POLICY.replace('path: /public', 'path: /admin'))
    const { status, stdout } = heddle('plan', '-r', 'repository', '--against', 'main', '--json')
    const { plan } = JSON.parse(stdout) as { plan: { effects: { opened: string[]; closed: string[] }[] } }
    assert.equal(status, 0)
    assert.deepEqual(
      plan.effects.map(({ opened, closed }) => [opened, closed]),
      [[['GET /admin'], ['GET /public']]],
    )
    assert.equal(heddle('plan', '-r', 'repository').status, 2)
  })
})
