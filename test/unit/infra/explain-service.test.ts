/** `heddle explain --service`: where a request goes. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readPolicies, type TextFile } from '../../../functions/validate/load-policies.ts'
import { explainService, serviceOf } from '../../../infra/cli/explain-service.ts'
import { UsageError } from '../../../infra/cli/usage.ts'
import { parseHttp1 } from '../../../pipelines/protocols/http1.ts'
import { FILES } from './explain-text.ts'

/** What is said of a GET by a client of that namespace. */
function said(
  service: string,
  target: string,
  client: string | null = null,
  all = false,
  more: TextFile[] = [],
) {
  const loaded = readPolicies([...FILES, ...more])
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

const ofOwn = (answer: string, line: number, path: string, sent: string) =>
  `  ${answer} shop/own policies/own.yaml:${line}  path prefix ${path}: ${sent}\n`
const TABLE: [string, Parameters<typeof said>, string][] = [
  [
    'a direct response',
    ['own', '/closed'],
    `503 (direct response)\n  shop/own policies/own.yaml:7\n${ofOwn('yes', 7, '/closed', '/closed')}`,
  ],
  [
    'what goes wrong on purpose',
    ['own', '/fails'],
    `500 (abort), 1 of 4 requests\n  response with X-Heddle-Fault: abort\n` +
      'forward to shop/own:80, 3 of 4 requests\n  waits    1000 ms, 0.5 % of requests\n  bytes    38, unchanged\n' +
      `  shop/own policies/own.yaml:8\n${ofOwn('no ', 7, '/closed', '/fails')}${ofOwn('yes', 8, '/fails', '/fails')}`,
  ],
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

test('says what the breaker of a service that gets the request bounds', () => {
  const breaker = `apiVersion: heddle.dev/v1
kind: MeshPolicy
metadata: {name: guard, namespace: shop}
spec:
  service: {name: front-v2}
  breaker: {consecutiveErrors: 5, open: 10s}
`
  const { text } = said('front', '/v2/cart', null, false, [{ path: 'guard.yaml', text: breaker }])
  const line =
    '  breaker  open for 10000 ms after 5 errors in a row, then 1 to probe (shop/guard policies/guard.yaml:6)'
  assert.equal(text.split('\n').filter((each) => each === line).length, 1)
})
