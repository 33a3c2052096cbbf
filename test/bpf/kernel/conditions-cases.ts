/**
 * Every field of a match, and the requests that it holds and does not hold for. What is expected is written by
 * hand, from the reference page and the RFCs: no evaluator says it.
 */
import { lines, type MatchCase, one, paths } from './conditions-case.ts'
import { COOKIES, HEADERS, PARAMETERS, REPRESENTATIONS } from './conditions-fields.ts'

const METHODS_AND_PATHS: MatchCase[] = [
  one('a method', '{method: GET}', ['GET /'], ['POST /', 'get /', 'GETS /', 'GE /']),
  one('any of several methods', '{method: [GET, HEAD]}', ['GET /', 'HEAD /'], ['PUT /', 'OPTIONS *']),
  one(
    'a whole path, whatever its query',
    '{path: {exact: /login}}',
    paths('/login', '/login?a=b', '/login?'),
    paths('/login/', '/Login', '/logi', '/loginx', '/%6cogin', '/x?/login', '//login'),
  ),
  one(
    'a prefix by segments',
    '{path: {prefix: /admin/}}',
    paths('/admin', '/admin/', '/admin/x/y', '/admin?q', '/admin/?q'),
    paths('/', '/adminx', '/administrator/x', '/x/admin', '/?/admin/', '/ADMIN/x'),
  ),
  one('a prefix of every path', '{path: {prefix: /}}', paths('/', '/a', '//', '/?q'), ['OPTIONS *']),
  one(
    'a prefix by bytes',
    '{path: {rawPrefix: /adm}}',
    paths('/adm', '/admin', '/adm/x', '/adm?q'),
    paths('/ad', '/Adm', '/x/adm', '/?/adm'),
  ),
  one(
    'a suffix, in front of the query',
    '{path: {suffix: .php}}',
    paths('/.php', '/a/b.php', '/b.php?x', '/b.php?x=.html'),
    paths('/a.php/', '/a.phpx', '/a.html?x=.php', '/a.PHP'),
  ),
  one(
    'RE2 of the whole path',
    '{path: {regex: "/v[0-9]+/(users|orders)"}}',
    paths('/v1/users', '/v22/orders', '/v1/users?q=1'),
    paths('/v1/users/', '/v/users', '/x/v1/users', '/v1/usersx', '/v1/other', '/q?/v1/users'),
  ),
]

const HOSTS: MatchCase[] = [
  one(
    'a host in any case, with any port',
    '{host: API.example.com}',
    lines(
      'Host: api.example.com',
      'Host: Api.Example.COM',
      'Host: api.example.com:8080',
      'hOST:api.example.com  ',
    ),
    lines(
      'Host: example.com',
      'Host: x.api.example.com',
      'Host: api.example.com.',
      'Host: api.example.comx',
      'Host:',
    ),
  ),
  one(
    'a host with its port',
    '{host: "api:8080"}',
    lines('Host: api:8080', 'Host: API:8080'),
    lines('Host: api', 'Host: api:80', 'Host: api:80800'),
  ),
  one(
    'hosts of a domain, of one label or several',
    '{host: "*.example.com"}',
    lines('Host: a.example.com', 'Host: a.b.example.com:80', 'Host: A.EXAMPLE.com'),
    lines('Host: example.com', 'Host: .example.com', 'Host: aexample.com', 'Host: a.example.org'),
  ),
  one(
    'any of several hosts',
    '{host: [x, "y:1"]}',
    lines('Host: x:5', 'Host: y:1'),
    lines('Host: y', 'Host: z'),
  ),
]

const COMBINED: MatchCase[] = [
  one('nothing at all: every HTTP request', '{}', ['GET /', 'OPTIONS *', 'PUT /x?y\nX: z'], []),
  one(
    'fields together',
    '{method: PUT, path: {prefix: /a}, host: h, headers: [{name: x-h, exact: "1"}], query: [{name: q}], cookies: [{name: c}]}',
    ['PUT /a/b?q\nHost: h\nX-H: 1\nCookie: c=1'],
    [
      'GET /a/b?q\nHost: h\nX-H: 1\nCookie: c=1',
      'PUT /b?q\nHost: h\nX-H: 1\nCookie: c=1',
      'PUT /a/b?q\nHost: g\nX-H: 1\nCookie: c=1',
      'PUT /a/b?q\nHost: h\nX-H: 2\nCookie: c=1',
      'PUT /a/b?r\nHost: h\nX-H: 1\nCookie: c=1',
      'PUT /a/b?q\nHost: h\nX-H: 1\nCookie: d=1',
    ],
  ),
  one(
    'not',
    '{not: {path: {prefix: /public}}}',
    paths('/', '/publicx', '/x?/public'),
    paths('/public', '/public/x'),
  ),
  one('none of several', '{not: {any: [{method: GET}, {method: PUT}]}}', ['POST /'], ['GET /', 'PUT /']),
  one(
    'not all of several',
    '{not: {all: [{method: GET}, {headers: [{name: x-n}]}]}}',
    ['GET /', 'PUT /\nX-N: 1'],
    ['GET /\nX-N: 1'],
  ),
  one(
    'any',
    '{any: [{method: PUT}, {path: {suffix: .js}}]}',
    ['PUT /', 'GET /a.js', 'PUT /a.js'],
    ['GET /', 'GET /js'],
  ),
  one(
    'all',
    '{all: [{path: {prefix: /a}}, {path: {suffix: z}}]}',
    paths('/a/z', '/a/b/z?q'),
    paths('/a', '/z', '/az', '/a/?z'),
  ),
  one(
    'inside each other, beside a field',
    '{method: GET, any: [{all: [{path: {exact: /a}}, {not: {headers: [{name: x-i}]}}]}, {path: {exact: /b}}]}',
    ['GET /a', 'GET /b', 'GET /b\nX-I: 1'],
    ['GET /a\nX-I: 1', 'PUT /a', 'PUT /b', 'GET /c'],
  ),
]

/** By what they ask; those of one part are judged by one generation. */
export const MATCHES: Record<string, MatchCase[]> = {
  'methods and paths': METHODS_AND_PATHS,
  hosts: HOSTS,
  headers: HEADERS,
  parameters: PARAMETERS,
  cookies: COOKIES,
  representations: REPRESENTATIONS,
  'conditions of conditions': COMBINED,
}
