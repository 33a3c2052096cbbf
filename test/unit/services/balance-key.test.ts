/** Which bytes of a request are hashed. test/bpf/kernel/outbound-balance.test.ts holds the kernel to the same. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hashNumber, hashText } from '../../../pipelines/services/balance-hash.ts'
import { hashKey } from '../../../pipelines/services/balance-key.ts'
import type { HashOf } from '../../../pipelines/services/model.ts'
import { parseHttp1 } from '../../../pipelines/protocols/http1.ts'

const IDENTITY = 7
const header: HashOf = { of: 'header', name: 'X-User' }
const cookie: HashOf = { of: 'cookie', name: 'sid' }
const query: HashOf = { of: 'query', name: 'u' }

function keyOf(hash: HashOf, target: string, ...fields: string[]): number {
  const head = [`GET ${target} HTTP/1.1`, 'Host: x', ...fields, '', ''].join('\r\n')
  const [event] = parseHttp1(Buffer.from(head, 'latin1'))
  assert.ok(event?.kind === 'head')
  return hashKey(hash, event.request, IDENTITY)
}

const TABLE: [says: string, hash: HashOf, target: string, fields: string[], value: string | undefined][] = [
  ['a header, whatever the case of its name', header, '/', ['x-uSER:  a b '], 'a b'],
  ['the first of two', header, '/', ['X-User: a', 'X-User: b'], 'a'],
  ['an empty one', header, '/', ['X-User:'], ''],
  ['none of that name', header, '/', ['X-Users: a', 'AX-User: a'], undefined],
  ['a cookie', cookie, '/', ['Cookie: a=1; sid=b=c; d'], 'b=c'],
  ['the case of its name counts', cookie, '/', ['Cookie: SID=1'], undefined],
  ['a cookie of another field', cookie, '/', ['X-Cookie: sid=1', 'Set-Cookie: sid=1'], undefined],
  ['a cookie without a value', cookie, '/', ['Cookie: x; sid'], ''],
  ['a longer name', cookie, '/', ['Cookie: xsid=1; sidx=2'], undefined],
  ['a parameter', query, '/p?a=1&u=%41&u=2', [], '%41'],
  ['a parameter without a value', query, '/p?u', [], ''],
  ['a path that looks like one', query, '/u=1', ['X: ?u=1'], undefined],
  ['bytes beyond ASCII', header, '/', ['X-User: \u00e9'], '\u00e9'],
]
for (const [says, hash, target, fields, value] of TABLE)
  test(`hashed: ${says}`, () => {
    const expected = value === undefined ? hashNumber(IDENTITY) : hashText(value)
    assert.equal(keyOf(hash, target, ...fields), expected)
  })

test('by source no request matters', () => {
  assert.equal(keyOf({ of: 'source' }, '/?u=1', 'X-User: a', 'Cookie: sid=1'), hashNumber(IDENTITY))
})
