/** `heddle explain --service`: where a request goes. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { readPolicies } from '../../../functions/validate/load-policies.ts'
import { explainService, serviceOf } from '../../../infra/cli/explain-service.ts'
import { UsageError } from '../../../infra/cli/usage.ts'
import { parseHttp1 } from '../../../pipelines/protocols/http1.ts'

const MAIN = fileURLToPath(new URL('../../../infra/cli/main.js', import.meta.url))
const route = (name: string, namespace: string, rules: string) => `apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: ${name}, namespace: ${namespace}}
spec:
  parentRefs: [{group: "", kind: Service, name: front, namespace: shop, port: 80}]
  rules:
${rules}`
const SHOP = route(
  'front',
  'shop',
  `  - matches: [{path: {type: PathPrefix, value: /v2}}]
    filters:
    - {type: URLRewrite, urlRewrite: {hostname: two, path: {type: ReplacePrefixMatch, replacePrefixMatch: /}}}
    - {type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: X-A, value: "1"}], remove: [X-B]}}
    timeouts: {request: 2s, backendRequest: 1s}
    backendRefs:
    - {name: front, port: 80, weight: 9}
    - {name: front-v0, port: 80, weight: 0}
    - name: front-v2
      port: 80
      weight: 1
      filters: [{type: ResponseHeaderModifier, responseHeaderModifier: {add: [{name: X-V, value: two}]}}]
  - matches: [{path: {type: Exact, value: /old}}]
    filters: [{type: RequestRedirect, requestRedirect: {statusCode: 301, hostname: new.example}}]
  - matches: [{path: {type: Exact, value: /drained}}]
    backendRefs: [{name: front, port: 80, weight: 0}]
  - matches: [{path: {type: Exact, value: /again}}]
    retry: {attempts: 2, codes: [503]}
    backendRefs: [{name: front, port: 80}]
`,
)
const FOR_OFFICE = route('own', 'office', '  - backendRefs: [{name: elsewhere, port: 81}]\n')

const FILES = [
  { path: 'front.yaml', text: SHOP },
  { path: 'office.yaml', text: FOR_OFFICE },
]

/** What is said of a GET by a client of that namespace. */
function said(service: string, target: string, client: string | null = null) {
  const loaded = readPolicies(FILES)
  assert.ok('set' in loaded)
  const [head] = parseHttp1(Buffer.from(`GET ${target} HTTP/1.1\r\nHost: explain\r\n\r\n`))
  assert.ok(head?.kind === 'head')
  const question = { service: serviceOf(service, 'shop'), client, request: head.request }
  return explainService({ root: 'policies', set: loaded.set }, question)
}

const EDITS = `  request  path /v2/a becomes /a
  request  Host becomes two
  request  without x-a
  request  without x-b
  request  with X-A: 1
`
const TIMES = '  at most  2000 ms for all of it\n  at most  1000 ms for one endpoint\n'

const TABLE: [string, Parameters<typeof said>, string][] = [
  [
    'every backend that gets requests, its share, and what is changed on the way there',
    ['shop/front:80', '/v2/a?x=1'],
    `forward to shop/front:80, 9 of 10 requests\n${EDITS}${TIMES}` +
      `forward to shop/front-v2:80, 1 of 10 requests\n${EDITS}  response with X-V: two\n${TIMES}` +
      '  shop/front policies/front.yaml:7\n',
  ],
  ['a redirect', ['front', '/old'], '301 to http://new.example/old\n  shop/front policies/front.yaml:19\n'],
  [
    'that no backend has a weight',
    ['front', '/drained'],
    '500 (no-backend)\n  shop/front policies/front.yaml:21\n',
  ],
  [
    'how often a request is sent again',
    ['front', '/again'],
    'forward to shop/front:80\n  again    up to 2 times, if not answered or answered with 503\n  shop/front policies/front.yaml:23\n',
  ],
  ['that no match holds', ['front', '/'], '404 (no-match)\n  no match of any of its routes\n'],
  [
    'that a service has no routes',
    ['x/front', '/'],
    'forward to x/front:80\n  no route: its own endpoints\n',
  ],
  [
    'that another port has no routes',
    ['front:81', '/'],
    'forward to shop/front:81\n  no route: its own endpoints\n',
  ],
  [
    "routes of the client's own namespace, instead of those for everyone",
    ['front', '/v2', 'office'],
    'forward to office/elsewhere:81\n  office/own policies/office.yaml:7\n',
  ],
]
for (const [what, asked, expected] of TABLE)
  test(`says ${what}`, () => assert.equal(said(...asked).text, expected))

for (const name of ['', 'a:0', 'a:65536', 'a b', 'a/b/c', '/a'])
  test(`\`${name}\` names no service`, () => assert.throws(() => serviceOf(name, 'shop'), UsageError))

let folder = ''
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'heddle-explain-'))
  for (const { path, text } of FILES) writeFileSync(join(folder, path), text)
})
after(() => rmSync(folder, { recursive: true, force: true }))

function explain(...args: string[]) {
  const all = [MAIN, 'explain', '-f', 'front.yaml', 'office.yaml', ...args]
  const { status, stdout, stderr } = spawnSync(process.execPath, all, { cwd: folder, encoding: 'utf8' })
  return { status, stdout, stderr }
}

test('the command line says who asks, and prints JSON', () => {
  const asked = ['--service', 'shop/front', '--request', 'GET /v2', '--from', 'app=desk', '--json']
  const { stdout } = explain(...asked, '--from-namespace', 'office')
  const { service, client, deciding, outcomes } = JSON.parse(stdout)
  assert.deepEqual(
    [service, client, deciding],
    [
      { namespace: 'shop', name: 'front', port: 80 },
      'office',
      { route: 'own', namespace: 'office', source: { file: 'office.yaml', line: 7, column: 5 } },
    ],
  )
  assert.equal(outcomes.length, 1)
  const { weight, sum, kind, service: to } = outcomes[0]
  assert.deepEqual([weight, sum, kind, to.name], [1, 1, 'forward', 'elsewhere'])
})

test('a request that is not canonical is refused, whatever the routes', () => {
  const { status, stdout } = explain('--service', 'shop/front', '--request', 'GET  /v2')
  assert.deepEqual([status, stdout], [0, 'refused (bad-target)\n'])
})

for (const args of [[], ['--to', 'app=a', '--service', 'a']])
  test(`\`explain --request 'GET /' ${args.join(' ')}\` is wrong usage`, () => {
    const { status, stderr } = explain('--request', 'GET /', ...args)
    assert.deepEqual([status, stderr.slice(0, 7)], [2, 'error: '])
  })
