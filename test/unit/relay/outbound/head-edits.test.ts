/** Edits of a head: what they do, and which are never made. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { areHonest, editHead } from '../../../../agent/relay/outbound/head-edits.ts'
import type { HeadEdits } from '../../../../agent/relay/outbound/ports.ts'

const none = { remove: [], append: [] }

const DISHONEST: [string, HeadEdits][] = [
  ['an end of line', { ...none, append: ['A: b\r\nC: d'] }],
  ['a control byte', { ...none, append: ['A: \0'] }],
  ['no name', { ...none, append: [': b'] }],
  ['a blank before the colon', { ...none, append: ['A : b'] }],
  ['a length', { ...none, append: ['Content-Length: 0'] }],
  ['a length taken away', { ...none, remove: ['content-length'] }],
  ['a coding', { ...none, remove: ['transfer-encoding'] }],
  ['what is said of the connection', { ...none, remove: ['connection'] }],
  ['another protocol', { ...none, append: ['Upgrade: h2c'] }],
  ['a second Host', { ...none, append: ['Host: a'] }],
  ['two Hosts for one', { remove: ['host'], append: ['Host: a', 'HOST: b'] }],
  ['no Host', { ...none, remove: ['host'] }],
  ['a target with a blank', { ...none, target: '/a b' }],
  ['a target that is no path', { ...none, target: 'http://a/' }],
  ['a target with a fragment', { ...none, target: '/a#b' }],
  ['a target that ends the line', { ...none, target: '/a\r\n' }],
]
for (const [what, edits] of DISHONEST)
  test(`${what} is not written`, () => assert.equal(areHonest(edits), false))

const HEAD = 'GET /a?b HTTP/1.1\r\nhost: x\r\nA:1\r\na:  2 \r\nB: $& a:\r\n\r\n'
const DONE: [string, HeadEdits, string][] = [
  ['nothing', none, HEAD],
  ['a target', { ...none, target: '/$&' }, HEAD.replace('/a?b', () => '/$&')],
  ['every line of a name', { ...none, remove: ['a'] }, 'GET /a?b HTTP/1.1\r\nhost: x\r\nB: $& a:\r\n\r\n'],
  ['a line behind all others', { ...none, append: ['C: 3'] }, HEAD.replace('\r\n\r\n', '\r\nC: 3\r\n\r\n')],
  [
    'the Host',
    { remove: ['host'], append: ['Host: y'] },
    HEAD.replace('host: x\r\n', '').replace('\r\n\r\n', '\r\nHost: y\r\n\r\n'),
  ],
]
for (const [what, edits, edited] of DONE)
  test(`${what} is edited, and no other byte`, () => {
    assert.ok(areHonest(edits))
    assert.equal(editHead(Buffer.from(HEAD), edits).toString('latin1'), edited)
  })

test('a head without fields takes one', () => {
  const edited = editHead(Buffer.from('HTTP/1.1 200 OK\r\n\r\n'), { ...none, append: ['A: \x80'] })
  assert.equal(edited.toString('latin1'), 'HTTP/1.1 200 OK\r\nA: \x80\r\n\r\n')
})
