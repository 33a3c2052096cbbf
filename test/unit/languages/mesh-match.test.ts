import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Condition, Leaf } from '../../../pipelines/policy/condition.ts'
import { condition } from './mesh-text.ts'

const method = (value: string): Leaf => ({ kind: 'method', text: { kind: 'exact', value } })
const path = (kind: 'exact' | 'segments' | 'prefix' | 'suffix' | 'regex', value: string): Leaf => ({
  kind: 'path',
  text: { kind, value },
})
const any = (...of: Condition[]): Condition => ({ kind: 'any', of })
const all = (...of: Condition[]): Condition => ({ kind: 'all', of })
const not = (of: Condition): Condition => ({ kind: 'not', of })

function means(name: string, table: readonly [says: string, text: string, expected: Condition][]): void {
  describe(name, () => {
    for (const [says, text, expected] of table) test(says, () => assert.deepEqual(condition(text), expected))
  })
}

means('what stands in front of the headers', [
  ['a method', '{method: GET}', method('GET')],
  ['methods of case', '{method: get}', method('get')],
  ['any of several methods', '{method: [GET, HEAD]}', any(method('GET'), method('HEAD'))],
  ['a list of one is the one', '{method: [GET]}', method('GET')],
  ['a whole path', '{path: {exact: /login}}', path('exact', '/login')],
  ['a prefix by segments', '{path: {prefix: /admin}}', path('segments', '/admin')],
  ['a prefix by bytes', '{path: {rawPrefix: /admin-}}', path('prefix', '/admin-')],
  ['a suffix, without slash', '{path: {suffix: .php}}', path('suffix', '.php')],
  ['RE2', '{path: {regex: "/v[0-9]+\\\\?"}}', path('regex', '/v[0-9]+\\?')],
  ['what no grammar of URIs has, but targets do', '{path: {exact: "/a{b}|%zz"}}', path('exact', '/a{b}|%zz')],
  ['a host in lower case', '{host: API.Example.com}', { kind: 'host', value: 'api.example.com' }],
  ['a host with port', '{host: "api:8080"}', { kind: 'host', value: 'api:8080' }],
  ['hosts of a domain', '{host: "*.example.com:80"}', { kind: 'host', value: '*.example.com:80' }],
  ['a host with the dot of the root', '{host: example.com.}', { kind: 'host', value: 'example.com.' }],
  ['an address', '{host: 192.0.2.1}', { kind: 'host', value: '192.0.2.1' }],
  ['an address of IPv6', '{host: "[2001:DB8::1]:80"}', { kind: 'host', value: '[2001:db8::1]:80' }],
  ['any of several hosts', '{host: [a, b]}', any({ kind: 'host', value: 'a' }, { kind: 'host', value: 'b' })],
])

means('headers, parameters, cookies', [
  [
    'a name alone asks for presence',
    '{headers: [{name: X-Role}]}',
    { kind: 'header', name: 'x-role', text: null },
  ],
  ['presence', '{cookies: [{name: s, present: true}]}', { kind: 'cookie', name: 's', text: null }],
  ['absence', '{query: [{name: d, absent: true}]}', not({ kind: 'query', name: 'd', text: null })],
  [
    'an empty value',
    '{query: [{name: d, exact: ""}]}',
    { kind: 'query', name: 'd', text: { kind: 'exact', value: '' } },
  ],
  [
    'a prefix with a blank behind it',
    '{headers: [{name: authorization, prefix: "Bearer "}]}',
    { kind: 'header', name: 'authorization', text: { kind: 'prefix', value: 'Bearer ' } },
  ],
  [
    'a suffix with a blank in front of it',
    '{headers: [{name: a, suffix: " x"}]}',
    { kind: 'header', name: 'a', text: { kind: 'suffix', value: ' x' } },
  ],
  [
    'RE2',
    '{cookies: [{name: Session, regex: "[a-f]+"}]}',
    { kind: 'cookie', name: 'Session', text: { kind: 'regex', value: '[a-f]+' } },
  ],
  [
    'parameters keep their case, as sent',
    '{query: [{name: Q, suffix: "%20?"}]}',
    { kind: 'query', name: 'Q', text: { kind: 'suffix', value: '%20?' } },
  ],
  [
    'all of several',
    '{headers: [{name: a}, {name: b}]}',
    all({ kind: 'header', name: 'a', text: null }, { kind: 'header', name: 'b', text: null }),
  ],
  ['a media type', '{mediaType: Application/JSON}', { kind: 'media-type', value: 'application/json' }],
  [
    'any of several media types',
    '{mediaType: [image/*, video/*]}',
    any({ kind: 'media-type', value: 'image/*' }, { kind: 'media-type', value: 'video/*' }),
  ],
  ['a charset', '{charset: UTF-8}', { kind: 'charset', value: 'utf-8' }],
  ['a coding', '{contentEncoding: GZIP}', { kind: 'content-coding', value: 'gzip' }],
])

means('fields together', [
  ['nothing is every request', '{}', all()],
  [
    'all fields hold',
    '{not: {method: GET}, contentEncoding: gzip, charset: utf-8, mediaType: a/b, cookies: [{name: c}], query: [{name: q}], headers: [{name: h}], host: x, path: {exact: /}, method: PUT}',
    all(
      method('PUT'),
      path('exact', '/'),
      { kind: 'host', value: 'x' },
      { kind: 'header', name: 'h', text: null },
      { kind: 'query', name: 'q', text: null },
      { kind: 'cookie', name: 'c', text: null },
      { kind: 'media-type', value: 'a/b' },
      { kind: 'charset', value: 'utf-8' },
      { kind: 'content-coding', value: 'gzip' },
      not(method('GET')),
    ),
  ],
  ['all of several', '{all: [{method: GET}, {host: x}]}', all(method('GET'), { kind: 'host', value: 'x' })],
  ['all of one', '{all: [{method: GET}]}', method('GET')],
  ['any of several', '{any: [{method: GET}, {}]}', any(method('GET'), all())],
  ['any of one', '{any: [{method: GET}]}', method('GET')],
  ['none of several', '{not: {any: [{method: GET}, {method: PUT}]}}', not(any(method('GET'), method('PUT')))],
  [
    'inside each other',
    '{method: GET, any: [{all: [{path: {exact: /a}}, {not: {host: x}}]}, {path: {exact: /b}}]}',
    all(method('GET'), any(all(path('exact', '/a'), not({ kind: 'host', value: 'x' })), path('exact', '/b'))),
  ],
])
