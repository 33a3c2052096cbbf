/** Cases that ask where a request goes: those that hold, and what is said of those that do not. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { document, failures, ROUTE } from '../languages/case-text.ts'

const get = (path: string, more = '') => `request: {line: GET ${path}${more}}`
const asked = (parts: string, expect: string) => `{name: n, ${parts}, expect: {${expect}}}`
const outbound = (parts: string, expect: string) =>
  asked(`service: {name: front, port: 80}, ${parts}`, expect)

const HOLDS: [string, string][] = [
  ['where a request goes', outbound(get('/v2/x'), 'forward: front-v2')],
  [
    'where it goes, by namespace and port, and how it is changed',
    outbound(
      get('/v2/x?q=1', ', headers: {x-b: "2", X-C: c, x-d: e}'),
      'forward: shop/front-v2, port: 8080, path: /x, host: two, ' +
        'requestHeaders: {x-a: "1", X-B: [], x-c: [c, d], x-d: e, host: two, x-e: []}',
    ),
  ],
  [
    'what is sent on as it came',
    outbound(
      get('/plain', ', headers: {x-b: "2"}'),
      'forward: front, path: /plain, host: test, requestHeaders: {X-B: "2"}',
    ),
  ],
  ['the backend of a random number', outbound(`${get('/some')}, random: 0.95`, 'forward: front-v2')],
  ['that of the largest', outbound(`${get('/some')}, random: 0.99999999999`, 'forward: front-v2')],
  ['that of another', outbound(`${get('/some')}, random: 0.85`, 'forward: front')],
  ['a redirect', outbound(get('/old'), 'redirect: {status: 301, location: "http://new.example/old"}')],
  ['any redirect', outbound(get('/old'), 'redirect: {}')],
  ['no match', outbound(get('/nowhere'), 'status: 404')],
  ['no backend with a weight', outbound(get('/drained'), 'status: 500')],
  [
    'a preflight',
    outbound(
      'request: {line: OPTIONS /cors, headers: {origin: "https://a.example", access-control-request-method: GET}}',
      'status: 200',
    ),
  ],
  [
    "routes of the client's own namespace",
    outbound(`${get('/v2')}, from: {labels: {}, namespace: office}`, 'forward: office/elsewhere, port: 81'),
  ],
  ['a service without routes', asked(`${get('/')}, service: {name: db}`, 'forward: db, port: 80')],
  [
    'a service of another namespace',
    asked(`${get('/')}, service: {name: db, namespace: office}`, 'forward: office/db'),
  ],
  ['a request without a path', outbound('request: {line: OPTIONS *}', 'status: 404')],
  [
    'that request, as it is sent',
    asked('request: {line: OPTIONS *}, service: {name: db}', 'forward: db, path: "*"'),
  ],
]

describe('a case holds', () => {
  for (const [says, text] of HOLDS) test(says, () => assert.deepEqual(failures(ROUTE, document([text])), []))
})

const FAILS: [string, string, string][] = [
  [
    'the service',
    outbound(get('/plain'), 'forward: front-v2'),
    'expected forward to shop/front-v2, came forward to shop/front by route shop/front at route.yaml:22',
  ],
  [
    "the service's namespace",
    outbound(get('/plain'), 'forward: office/front'),
    'expected forward to office/front, came forward to shop/front by route shop/front at route.yaml:22',
  ],
  [
    'the port',
    outbound(get('/plain'), 'forward: front, port: 81'),
    'expected forward to shop/front:81, came forward to shop/front:80 by route shop/front at route.yaml:22',
  ],
  [
    'the path',
    outbound(get('/v2/x?q'), 'forward: front-v2, path: /v2/x'),
    'expected forward to shop/front-v2, path /v2/x, came forward to shop/front-v2, path /x by route shop/front at route.yaml:7',
  ],
  [
    'the host',
    outbound(get('/v2/x'), 'forward: front-v2, host: test'),
    'expected forward to shop/front-v2, host test, came forward to shop/front-v2, host two by route shop/front at route.yaml:7',
  ],
  [
    'a header',
    outbound(get('/v2/x'), 'forward: front-v2, requestHeaders: {x-a: "2"}'),
    'expected forward to shop/front-v2, x-a: "2", came forward to shop/front-v2, x-a: "1" by route shop/front at route.yaml:7',
  ],
  [
    'a header that is to be away',
    outbound(get('/plain', ', headers: {x-b: ["1", "2"]}'), 'forward: front, requestHeaders: {x-b: []}'),
    'expected forward to shop/front, without x-b, came forward to shop/front, x-b: "1", "2" by route shop/front at route.yaml:22',
  ],
  [
    'one value is not two',
    outbound(
      get('/plain', ', headers: {x-b: [\'1", "2\']}'),
      'forward: front, requestHeaders: {x-b: ["1", "2"]}',
    ),
    'expected forward to shop/front, x-b: "1", "2", came forward to shop/front, x-b: "1\\", \\"2" by route shop/front at route.yaml:22',
  ],
  [
    'one of several backends, without a random number',
    outbound(get('/some'), 'forward: front'),
    'expected forward to shop/front, came forward to shop/front-v2, 1 of 10 requests by route shop/front at route.yaml:13',
  ],
  [
    'the backend of a random number',
    outbound(`${get('/some')}, random: 0.9`, 'forward: front'),
    'expected forward to shop/front, came forward to shop/front-v2 by route shop/front at route.yaml:13',
  ],
  [
    'a redirect instead',
    outbound(get('/old'), 'forward: front, path: /old'),
    'expected forward to shop/front, path /old, came redirect 301 to http://new.example/old by route shop/front at route.yaml:15',
  ],
  [
    "a redirect's status",
    outbound(get('/old'), 'redirect: {status: 302}'),
    'expected redirect 302, came redirect 301 to http://new.example/old by route shop/front at route.yaml:15',
  ],
  [
    "a redirect's location",
    outbound(get('/old'), 'redirect: {location: "http://x/"}'),
    'expected redirect to http://x/, came redirect 301 to http://new.example/old by route shop/front at route.yaml:15',
  ],
  [
    'no redirect',
    outbound(get('/plain'), 'redirect: {status: 301}'),
    'expected redirect 301, came forward to shop/front:80 by route shop/front at route.yaml:22',
  ],
  [
    'another status',
    outbound(get('/nowhere'), 'status: 500'),
    'expected status 500, came status 404 (no-match)',
  ],
  [
    'a status instead of a way',
    outbound(get('/drained'), 'forward: front'),
    'expected forward to shop/front, came status 500 (no-backend) by route shop/front at route.yaml:17',
  ],
]

describe('a case fails, and it is said what came instead:', () => {
  for (const [says, text, expected] of FAILS) {
    test(says, () =>
      assert.deepEqual(failures(ROUTE, document([text])), [
        `t.yaml:5:3 policy-test-failed \`n\`: ${expected}`,
      ]),
    )
  }
})
