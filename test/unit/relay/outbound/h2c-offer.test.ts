/** An offer of h2c is ignored, and nothing else of the head is touched. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RequestReader } from '../../../../agent/relay/outbound/request-reader.ts'

const START = 'GET /x HTTP/1.1\r\nHost: x\r\n'

function read(fields: string) {
  const reader = new RequestReader()
  reader.push(Buffer.from(`${START}${fields}\r\nGET /next HTTP/1.1\r\nHost: x\r\n\r\n`, 'latin1'))
  const [first, next] = [reader.next(), reader.next()]
  assert.ok(first?.kind === 'head' && next?.kind === 'head')
  assert.equal(next.head.bytes.toString('latin1'), 'GET /next HTTP/1.1\r\nHost: x\r\n\r\n')
  return first.head
}

const TABLE: [says: string, fields: string, then: string, upgrade: boolean][] = [
  [
    "Java's",
    'Connection: Upgrade, HTTP2-Settings\r\nA: b\r\nHTTP2-Settings: AAEAAEAA\r\nUpgrade: h2c\r\n',
    'A: b\r\n',
    false,
  ],
  ['in a list, in capitals', 'upgrade: websocket, H2C\r\nConnection: upgrade\r\n', '', false],
  [
    'beside options of its own',
    'Connection: close, Upgrade\r\nUpgrade: h2c\r\nConnection: X-Hop\r\nX-Hop: 1\r\n',
    'X-Hop: 1\r\nConnection: close, X-Hop\r\n',
    false,
  ],
  [
    'not one: another protocol',
    'Upgrade: websocket\r\nConnection: Upgrade\r\n',
    'Upgrade: websocket\r\nConnection: Upgrade\r\n',
    true,
  ],
  ['not one: a longer word', 'Upgrade: h2cx, xh2c\r\n', 'Upgrade: h2cx, xh2c\r\n', true],
  ['not one: of another field', 'X-Upgrade: h2c\r\n', 'X-Upgrade: h2c\r\n', false],
]
for (const [says, fields, then, upgrade] of TABLE)
  test(`an offer of h2c: ${says}`, () => {
    const head = read(fields)
    assert.equal(head.bytes.toString('latin1'), `${START}${then}\r\n`)
    const names = head.request.fields.map(({ name }) => Buffer.from(name).toString('latin1'))
    assert.deepEqual(names.slice(1), then.match(/^[^:\r\n]+(?=:)/gm) ?? [])
    assert.equal(head.upgrade, upgrade)
  })

test('behind it a close stays a close', () => {
  assert.equal(read('Connection: Upgrade, close\r\nUpgrade: h2c\r\n').persistent, false)
  assert.equal(read('Connection: Upgrade\r\nUpgrade: h2c\r\n').persistent, true)
})
