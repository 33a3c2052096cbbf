import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { RouteMatch } from '../../../pipelines/policy/route.ts'
import { routeMatches } from '../../../pipelines/policy/route-match.ts'
import { request } from './small-policies.ts'
import { exact, match } from './small-routes.ts'

type Row = [says: string, wanted: RouteMatch, target: string, fields: [string, string][], holds: boolean]
const regex = (name: string, value: string) => ({ name, kind: 'regex' as const, value })

const PATHS: Row[] = [
  ['an exact path is whole', match('=/a'), '/a', [], true],
  ['an exact path has no slash behind it', match('=/a'), '/a/', [], false],
  ['an exact path has case', match('=/a'), '/A', [], false],
  ['an exact path ends where the query begins', match('=/a'), '/a?b=/c', [], true],
  ['a prefix matches itself', match('/a'), '/a', [], true],
  ['a prefix matches what is below', match('/a'), '/a/b', [], true],
  ['a prefix matches with a slash behind it', match('/a'), '/a/', [], true],
  ['a prefix is no part of a segment', match('/a'), '/ab', [], false],
  ['a prefix with a slash matches without it', match('/a/'), '/a', [], true],
  ['a prefix with a slash matches what is below', match('/a/'), '/a/b', [], true],
  ['a prefix with a slash is no part of a segment', match('/a/'), '/ab', [], false],
  ['a prefix ends where the query begins', match('/a'), '/a?x', [], true],
  ['a prefix is not looked for in the query', match('/a/b'), '/a?/b', [], false],
  ['/ matches every path', match('/'), '/x/y?z', [], true],
  ['/ matches OPTIONS *', match('/'), '*', [], true],
  ['nothing else matches OPTIONS *', match('~.*'), '*', [], false],
  ['an expression is a full match', match('~/a+'), '/aab', [], false],
  ['an expression does not see the query', match('~/a+'), '/aa?b', [], true],
  ['nothing is decoded', match('=/a'), '/%61', [], false],
  ['nothing is normalised', match('/a'), '/b/../a', [], false],
]

const HEADERS: Row[] = [
  ['a header name has no case', match('/', { headers: [exact('x-a', '1')] }), '/', [['X-A', '1']], true],
  ['a header value has case', match('/', { headers: [exact('x-a', 'a')] }), '/', [['X-A', 'A']], false],
  ['an absent header is not empty', match('/', { headers: [regex('x-a', '.*')] }), '/', [], false],
  [
    'an expression is a full match of a value',
    match('/', { headers: [regex('x-a', 'a+')] }),
    '/',
    [['X-A', 'aab']],
    false,
  ],
  [
    'all headers must match',
    match('/', { headers: [exact('x-a', '1'), exact('x-b', '2')] }),
    '/',
    [
      ['X-A', '1'],
      ['X-B', '3'],
    ],
    false,
  ],
  [
    'a repeated header is its values with a comma between',
    match('/', { headers: [exact('x-a', '1,2')] }),
    '/',
    [
      ['X-A', '1'],
      ['X-B', '9'],
      ['x-a', '2'],
    ],
    true,
  ],
  [
    'a repeated header is none of its values',
    match('/', { headers: [exact('x-a', '1')] }),
    '/',
    [
      ['X-A', '1'],
      ['x-a', '2'],
    ],
    false,
  ],
]

const asks = (name: string, value: string) => match('/', { query: [exact(name, value)] })
const QUERIES: Row[] = [
  ['a parameter is found among others', asks('b', '2'), '/?a=1&b=2&c=3', [], true],
  ['a parameter name has case', asks('b', '2'), '/?B=2', [], false],
  ['a parameter value is whole', asks('b', '2'), '/?b=22', [], false],
  ['of a repeated parameter the first counts', asks('b', '2'), '/?b=2&b=3', [], true],
  ['of a repeated parameter the second does not count', asks('b', '3'), '/?b=2&b=3', [], false],
  ['a value goes on behind a second equals sign', asks('b', '2=3'), '/?b=2=3', [], true],
  ['a parameter without a value is empty', match('/', { query: [regex('b', '')] }), '/?b', [], true],
  ['no query has no parameter', match('/', { query: [regex('b', '.*')] }), '/', [], false],
  ['a second question mark is part of the query', asks('b', '?'), '/?b=?', [], true],
  ['a plus sign is a plus sign', asks('b', 'x y'), '/?b=x+y', [], false],
  [
    'all parameters must match',
    match('/', { query: [exact('a', '1'), exact('b', '2')] }),
    '/?a=1&b=3',
    [],
    false,
  ],
]

describe('a request satisfies a match', () => {
  for (const [says, wanted, target, fields, holds] of [...PATHS, ...HEADERS, ...QUERIES]) {
    test(says, () => assert.equal(routeMatches(wanted, request('GET', target, fields)), holds))
  }

  test('a method is whole and has case', () => {
    const holds = (method: string) => routeMatches(match('/', { method: 'GET' }), request(method, '/'))
    assert.deepEqual(['GET', 'get', 'GE'].map(holds), [true, false, false])
  })
  test('an expression that is none fails closed, with its code', () => {
    assert.throws(() => routeMatches(match('~('), request('GET', '/')), { code: 'expression-invalid' })
  })
})
