import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { utf8 } from '../../../pipelines/bytes.ts'
import type { Filter } from '../../../pipelines/policy/route.ts'
import {
  changedPath,
  newPath,
  requestChange,
  responseChange,
} from '../../../pipelines/policy/route-change.ts'
import { applyEdits, requestEdits, responseEdits } from '../../../pipelines/policy/route-edits.ts'
import { byteText } from '../../../pipelines/protocols/http1-grammar.ts'
import { headers, match } from './small-routes.ts'

const request = (filters: Filter[], head: string, prefix = '/') =>
  byteText(applyEdits(utf8(head), requestEdits(utf8(head), requestChange(filters, match(prefix)))))
const response = (filters: Filter[], head: string) =>
  byteText(applyEdits(utf8(head), responseEdits(utf8(head), responseChange(filters))))

/** The specification's own table (HTTPPathModifier.replacePrefixMatch). */
const PREFIXES: [path: string, prefix: string, replacement: string, changed: string][] = [
  ['/foo/bar', '/foo', '/xyz', '/xyz/bar'],
  ['/foo/bar', '/foo', '/xyz/', '/xyz/bar'],
  ['/foo/bar', '/foo/', '/xyz', '/xyz/bar'],
  ['/foo/bar', '/foo/', '/xyz/', '/xyz/bar'],
  ['/foo', '/foo', '/xyz', '/xyz'],
  ['/foo/', '/foo', '/xyz', '/xyz/'],
  ['/foo/bar', '/foo', '', '/bar'],
  ['/foo/', '/foo', '', '/'],
  ['/foo', '/foo', '', '/'],
  ['/foo/', '/foo', '/', '/'],
  ['/foo', '/foo', '/', '/'],
  // Beyond it.
  ['/foo', '/foo/', '/xyz/', '/xyz'],
  ['/bar', '/', '/xyz', '/xyz/bar'],
  ['/', '/', '/xyz', '/xyz/'],
]
describe('a replaced prefix', () => {
  for (const [path, prefix, value, changed] of PREFIXES) {
    test(`${path}, prefix ${prefix} replaced by "${value}": ${changed}`, () =>
      assert.equal(changedPath(path, newPath({ kind: 'prefix', value }, match(prefix))), changed))
  }
})

const HEAD = 'GET /a/b?q=/a HTTP/1.1\r\nhost:  echo:80\t\r\nX-A: 1\r\nx-b:2\r\nX-a:3 \r\nx-c: 4\r\n\r\n'
const set = (name: string, value: string) => headers('request-headers', { set: [[name, value]] })
const add = (name: string, value: string) => headers('request-headers', { add: [[name, value]] })
const remove = (...names: string[]) => headers('request-headers', { remove: names })
const rewrite = (path?: ['full' | 'prefix', string], host?: string): Filter => ({
  kind: 'rewrite',
  ...(path === undefined ? {} : { path: { kind: path[0], value: path[1] } }),
  ...(host === undefined ? {} : { host }),
})

const REQUESTS: [says: string, filters: Filter[], head: string, changed: string][] = [
  ['nothing', [], HEAD, HEAD],
  ["the response's filters", [headers('response-headers', { set: [['x', 'y']] })], HEAD, HEAD],
  [
    'set: every line of the name goes, the new one is last',
    [set('X-A', 'new')],
    HEAD,
    'GET /a/b?q=/a HTTP/1.1\r\nhost:  echo:80\t\r\nx-b:2\r\nx-c: 4\r\nX-A: new\r\n\r\n',
  ],
  [
    'set of an absent name: one line more',
    [set('New', 'v')],
    HEAD,
    HEAD.replace('\r\n\r\n', '\r\nNew: v\r\n\r\n'),
  ],
  ['add: behind what the field has', [add('x-A', 'v')], HEAD, HEAD.replace('\r\n\r\n', '\r\nx-A: v\r\n\r\n')],
  [
    'remove: neighbours too, in any case',
    [remove('X-B', 'x-a')],
    HEAD,
    'GET /a/b?q=/a HTTP/1.1\r\nhost:  echo:80\t\r\nx-c: 4\r\n\r\n',
  ],
  ['remove of an absent name', [remove('y')], HEAD, HEAD],
  [
    'one filter removes, sets, adds',
    [headers('request-headers', { add: [['x-a', 'added']], set: [['x-a', 'set']], remove: ['x-a', 'x-b'] })],
    HEAD,
    'GET /a/b?q=/a HTTP/1.1\r\nhost:  echo:80\t\r\nx-c: 4\r\nx-a: set\r\nx-a: added\r\n\r\n',
  ],
  ['a later filter removes what an earlier one added', [add('New', 'v'), remove('new')], HEAD, HEAD],
  [
    'a later set replaces an earlier add, and stands last',
    [add('n', '1'), add('m', '2'), set('N', '3')],
    HEAD,
    HEAD.replace('\r\n\r\n', '\r\nm: 2\r\nN: 3\r\n\r\n'),
  ],
  ['a whole path, its query kept', [rewrite(['full', '/new'])], HEAD, HEAD.replace('/a/b?q=/a', '/new?q=/a')],
  ['a whole path that is empty', [rewrite(['full', ''])], HEAD, HEAD.replace('/a/b?', '/?')],
  ['a prefix', [rewrite(['prefix', '/new'])], HEAD, HEAD.replace('/a/b?', '/new/a/b?')],
  [
    'a host in place, blanks kept',
    [rewrite(undefined, 'new.example')],
    HEAD,
    HEAD.replace('echo:80', 'new.example'),
  ],
  [
    'the later of two rewrites',
    [rewrite(['full', '/1'], 'a'), rewrite(['full', '/2'])],
    HEAD,
    HEAD.replace('/a/b?', '/2?').replace('echo:80', 'a'),
  ],
  [
    'a host where none was sent',
    [rewrite(undefined, 'new.example'), add('x', 'y')],
    'GET / HTTP/1.0\r\nA: b\r\n\r\n',
    'GET / HTTP/1.0\r\nA: b\r\nHost: new.example\r\nx: y\r\n\r\n',
  ],
  [
    'a head without fields',
    [set('x', 'y'), rewrite(['full', '/n'])],
    'GET / HTTP/1.0\r\n\r\n',
    'GET /n HTTP/1.0\r\nx: y\r\n\r\n',
  ],
  [
    'everything at once',
    [rewrite(['prefix', '/n'], 'h'), set('x-a', '9'), remove('X-C')],
    HEAD,
    'GET /n/a/b?q=/a HTTP/1.1\r\nhost:  h\t\r\nx-b:2\r\nx-a: 9\r\n\r\n',
  ],
  [
    'OPTIONS * has no path',
    [rewrite(['full', '/n'])],
    'OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n',
    'OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n',
  ],
]
describe("a request's bytes change by", () => {
  for (const [says, filters, head, changed] of REQUESTS) {
    test(says, () => assert.equal(request(filters, head), changed))
  }
  test('few edits, by place: neighbouring lines are one', () => {
    const change = requestChange([remove('x-a', 'x-b'), rewrite(['full', '/'])], match('/'))
    assert.deepEqual(
      requestEdits(utf8(HEAD), change).map(({ at, remove: count }) => [at, count]),
      [
        [4, 4],
        [HEAD.indexOf('X-A'), HEAD.indexOf('x-c') - HEAD.indexOf('X-A')],
      ],
    )
  })
})

const answer = (status: number) => `HTTP/1.1 ${status} X\r\nA: 1\r\n\r\n`
const filter = headers('response-headers', { set: [['a', '2']], add: [['b', '3']] })
describe("a response's bytes change", () => {
  for (const status of [101, 200, 204, 304, 404]) {
    test(`with ${status}`, () =>
      assert.equal(response([filter], answer(status)), `HTTP/1.1 ${status} X\r\na: 2\r\nb: 3\r\n\r\n`))
  }
  for (const status of [100, 103]) {
    test(`not with ${status}`, () => assert.equal(response([filter], answer(status)), answer(status)))
  }
  test('lines that end in LF, go on, or are no field', () => {
    const lenient = 'HTTP/1.1 200 OK\nA: 1\n folded\r\nno field\nB: 2\n\n'
    assert.equal(response([filter], lenient), 'HTTP/1.1 200 OK\nno field\nB: 2\na: 2\r\nb: 3\r\n\n')
  })
  test('not by what is done to the request', () => {
    assert.equal(response([set('a', '2')], answer(200)), answer(200))
  })
})
