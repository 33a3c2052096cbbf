/** What a trace says of the routes of a service, and of the bytes that go on. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { utf8 } from '../../../pipelines/bytes.ts'
import type { Filter, Route, RouteMatch } from '../../../pipelines/policy/route.ts'
import { evaluateRoute } from '../../../pipelines/policy/route-evaluate.ts'
import { forwardedHead, traceRoutes } from '../../../pipelines/policy/route-trace.ts'
import { byteText } from '../../../pipelines/protocols/http1-grammar.ts'
import { request } from './small-policies.ts'
import { backend, exact, headers, match, route, routeRule, service, to } from './small-routes.ts'

const FIELDS: [string, string][] = [
  ['Host', 'x'],
  ['X-A', '1'],
  ['x-a', '2'],
]
const asking = (target: string, client: string | null = null) => ({
  ...{ service: service('echo'), client },
  request: request('GET', target, FIELDS),
})
const setOf = (...routes: Route[]) => ({ policies: [], routes })

describe('a match says what each part found', () => {
  const TABLE: [match: RouteMatch, target: string, parts: string[]][] = [
    [match('/a'), '/a/b?c', ['path prefix /a: /a/b true']],
    [match('=/a'), '/a/b', ['path exact /a: /a/b false']],
    [match('~/a.*'), '*', ['path regex /a.*: absent false']],
    [match('/'), '*', ['path prefix /: absent true']],
    [match('/', { method: 'PUT' }), '/', ['path prefix /: / true', 'method exact PUT: GET false']],
    [
      match('/', { headers: [exact('x-a', '1'), { name: 'x-b', kind: 'regex', value: '.*' }] }),
      '/',
      ['path prefix /: / true', 'header x-a exact 1: 1,2 false', 'header x-b regex .*: absent false'],
    ],
    [
      match('/', { query: [exact('q', '1'), exact('p', ''), exact('r', '')] }),
      '/?q=1&q=2&p',
      [
        'path prefix /: / true',
        'query q exact 1: 1 true',
        'query p exact :  true',
        'query r exact : absent false',
      ],
    ],
  ]
  for (const [wanted, target, parts] of TABLE)
    test(`${parts.join(', ')}`, () => {
      const [found] = traceRoutes(setOf(route('r', [to('a', wanted)])), asking(target))
      const told = found?.parts.map(({ asked, seen, holds }) => `${asked}: ${seen ?? 'absent'} ${holds}`)
      assert.deepEqual(told, parts)
      assert.equal(found?.holds, !parts.some((part) => part.endsWith('false')))
    })
})

test('matches stand in order of precedence; the first that holds decides, also where others hold', () => {
  const rules = [to('a', match('/', {}, 3)), to('b', match('/a', {}, 4), match('=/b', {}, 5))]
  const found = traceRoutes(setOf(route('r', rules)), asking('/a'))
  assert.deepEqual(
    found.map(({ source, holds, decides }) => [source.line, holds, decides]),
    [
      [5, false, false],
      [4, true, true],
      [3, true, false],
    ],
  )
})

test("only routes that the client's requests meet are told", () => {
  const own = route('own', [routeRule()], { clients: 'office' })
  const names = (client: string | null) =>
    traceRoutes(setOf(route('all', [routeRule()]), own), asking('/', client)).map((each) => each.route)
  assert.deepEqual([names(null), names('office')], [['all'], ['own']])
  assert.deepEqual(traceRoutes(setOf(), asking('/')), [])
})

describe('the bytes of a head', () => {
  const HEAD = 'GET /v2/a?x HTTP/1.1\r\nHost: x\r\nX-A:1 \r\nx-a: 2\r\n\r\n'
  const after = (filters: Filter[], backends = [backend('b')]) => {
    const set = setOf(route('r', [routeRule({ matches: [match('/v2')], filters, backends })]))
    const bytes = forwardedHead(utf8(HEAD), evaluateRoute(set, asking('/v2/a?x'), 0))
    return bytes && byteText(bytes)
  }
  test('change where the rule says so, and nowhere else', () => {
    const rewrite: Filter = { kind: 'rewrite', host: 'two', path: { kind: 'prefix', value: '/' } }
    assert.equal(
      after([rewrite, headers('request-headers', { add: [['X-B', '3']] })]),
      'GET /a?x HTTP/1.1\r\nHost: two\r\nX-A:1 \r\nx-a: 2\r\nX-B: 3\r\n\r\n',
    )
    assert.equal(
      after([headers('request-headers', { remove: ['x-A'] })]),
      'GET /v2/a?x HTTP/1.1\r\nHost: x\r\n\r\n',
    )
  })
  test('stay as they came where the rule changes nothing', () => assert.equal(after([]), HEAD))
  test('go nowhere where no backend gets them', () => assert.equal(after([], []), undefined))
})
