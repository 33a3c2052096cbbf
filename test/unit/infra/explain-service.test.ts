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
function said(service: string, target: string, client: string | null = null, all = false) {
  const loaded = readPolicies(FILES)
  assert.ok('set' in loaded)
  const bytes = Buffer.from(`GET ${target} HTTP/1.1\r\nHost: explain\r\n\r\n`)
  const [head] = parseHttp1(bytes)
  assert.ok(head?.kind === 'head')
  const question = { service: serviceOf(service, 'shop'), client, request: head.request }
  return explainService({ root: 'policies', set: loaded.set }, question, { head: bytes, all })
}

const EDITS = `  request  path /v2/a becomes /a
  request  Host becomes two
  request  without x-a
  request  without x-b
  request  with X-A: 1
`
/** Line ends are shown, so that nothing of the bytes is guessed. */
const shown = (...lines: string[]) => lines.map((line) => `    ${line}\\r\\n\n`).join('')
const BYTES =
  `  before\n${shown('GET /v2/a?x=1 HTTP/1.1', 'Host: explain', '')}` +
  `  after\n${shown('GET /a?x=1 HTTP/1.1', 'Host: two', 'X-A: 1', '')}`
const asked = (answer: string, line: number, path: string, sent: string) =>
  `  ${answer} shop/front policies/front.yaml:${line}  path ${path}: ${sent}\n`
const no = (sent: string) => ({
  drained: asked('no ', 21, 'exact /drained', sent),
  again: asked('no ', 23, 'exact /again', sent),
  old: asked('no ', 19, 'exact /old', sent),
  v2: asked('no ', 7, 'prefix /v2', sent),
})
const TIMES = '  at most  2000 ms for all of it\n  at most  1000 ms for one endpoint\n'

const TABLE: [string, Parameters<typeof said>, string][] = [
  [
    'every backend that gets requests, its share, and what is changed on the way there',
    ['shop/front:80', '/v2/a?x=1'],
    `forward to shop/front:80, 9 of 10 requests\n${EDITS}${TIMES}${BYTES}` +
      `forward to shop/front-v2:80, 1 of 10 requests\n${EDITS}  response with X-V: two\n${TIMES}${BYTES}` +
      `  shop/front policies/front.yaml:7\n${no('/v2/a').drained}${no('/v2/a').again}${no('/v2/a').old}${asked('yes', 7, 'prefix /v2', '/v2/a')}`,
  ],
  [
    'a redirect, and no bytes that go on',
    ['front', '/old'],
    `301 to http://new.example/old\n  shop/front policies/front.yaml:19\n${no('/old').drained}${no('/old').again}${asked('yes', 19, 'exact /old', '/old')}`,
  ],
  [
    'that no backend has a weight',
    ['front', '/drained'],
    `500 (no-backend)\n  shop/front policies/front.yaml:21\n${asked('yes', 21, 'exact /drained', '/drained')}`,
  ],
  [
    'how often a request is sent again',
    ['front', '/again'],
    `forward to shop/front:80\n  again    up to 2 times, if not answered or answered with 503\n  bytes    38, unchanged\n  shop/front policies/front.yaml:23\n${no('/again').drained}${asked('yes', 23, 'exact /again', '/again')}`,
  ],
  [
    'that no match holds, and why none',
    ['front', '/'],
    `404 (no-match)\n  no match of any of its routes\n${Object.values(no('/')).join('')}`,
  ],
  [
    'that a service has no routes',
    ['x/front', '/'],
    'forward to x/front:80\n  bytes    33, unchanged\n  no route: its own endpoints\n',
  ],
  [
    'that another port has no routes',
    ['front:81', '/'],
    'forward to shop/front:81\n  bytes    33, unchanged\n  no route: its own endpoints\n',
  ],
  [
    "routes of the client's own namespace, instead of those for everyone",
    ['front', '/v2', 'office'],
    'forward to office/elsewhere:81\n  bytes    35, unchanged\n  office/own policies/office.yaml:7\n  yes office/own policies/office.yaml:7  path prefix /: /v2\n',
  ],
]
for (const [what, asked, expected] of TABLE)
  test(`says ${what}`, () => assert.equal(said(...asked).text, expected))

test('with all, every part of each match, and those that were not asked', () => {
  const [, ...lines] = said('front', '/drained', null, true).text.split('\n')
  assert.deepEqual(lines, [
    '  shop/front policies/front.yaml:21',
    '  yes shop/front policies/front.yaml:21',
    '    yes path exact /drained: /drained',
    '  no  shop/front policies/front.yaml:23 (not asked)',
    '    no  path exact /again: /drained',
    '  no  shop/front policies/front.yaml:19 (not asked)',
    '    no  path exact /old: /drained',
    '  no  shop/front policies/front.yaml:7 (not asked)',
    '    no  path prefix /v2: /drained',
    '',
  ])
})

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

test('JSON has each match in order of precedence, and the bytes of each outcome', () => {
  const { stdout } = explain(
    '--service',
    'shop/front',
    '--request',
    'GET /v2',
    '--header',
    'X-B: é',
    '--json',
  )
  const { met, outcomes } = JSON.parse(stdout)
  const ends = 'HTTP/1.1\r\nHost:'
  const after = `GET / ${ends} two\r\nX-A: 1\r\n\r\n`
  assert.deepEqual(
    [met.before, met.after, outcomes.length],
    [`GET /v2 ${ends} explain\r\nX-B: Ã©\r\n\r\n`, [after, after], 2],
  )
  assert.deepEqual(
    met.matches.map(({ source, holds, decides }: Record<string, unknown>) => [source, holds, decides]),
    [21, 23, 19, 7].map((line) => [{ file: 'front.yaml', line, column: 15 }, line === 7, line === 7]),
  )
})

test('what stands behind the empty line is no part of the head', () => {
  const smuggled = ['--header', 'A: 1\r\n\r\nGET /v2 HTTP/1.1']
  const { stdout } = explain('--service', 'x/front', '--request', 'GET /', ...smuggled, '--json')
  const head = 'GET / HTTP/1.1\r\nHost: explain\r\nA: 1\r\n\r\n'
  const { before, after } = JSON.parse(stdout).met
  assert.deepEqual([before, after], [head, [head]])
})

test('JSON has no bytes that go on where no backend gets them', () => {
  const { stdout } = explain('--service', 'shop/front', '--request', 'GET /old', '--json')
  assert.deepEqual(JSON.parse(stdout).met.after, [null])
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
