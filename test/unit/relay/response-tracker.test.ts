import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ResponseTracker } from '../../../agent/relay/response-tracker.ts'

const RUNS = process.env['HEDDLE_DEEP'] === '1' ? 20_000 : 300

/** Ends of responses in a stream that is cut at the given places. */
function ends(stream: string, heads: boolean[], cuts: number[]): { ends: number[]; phase: string } {
  const owed = [...heads]
  const tracker = new ResponseTracker(() => owed[0] ?? false)
  const found: number[] = []
  const places = [...new Set([0, ...cuts.map((cut) => cut % (stream.length + 1)), stream.length])].sort(
    (a, b) => a - b,
  )
  for (const [i, from] of places.slice(0, -1).entries()) {
    const bytes = Buffer.from(stream.slice(from, places[i + 1]), 'latin1')
    for (let end = tracker.next(bytes, 0); end !== undefined; end = tracker.next(bytes, end)) {
      owed.shift()
      found.push(from + end)
    }
  }
  return { ends: found, phase: tracker.phase }
}

const LENGTH = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello'
const CHUNKED =
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n1\r\n\n\r\n0\r\nX: y\r\n\r\n'
const NONE = 'HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n'
const INTERIM = 'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n'
const EMPTY = 'HTTP/1.1 200 OK\r\ncontent-length:0\r\n\r\n'
const HEAD = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n'

const RESPONSES = [LENGTH, CHUNKED, NONE, INTERIM + LENGTH, EMPTY, HEAD]

test('each response ends where its framing says, however the stream is cut', () => {
  const response = fc.constantFrom(...RESPONSES)
  const property = fc.property(fc.array(response, { maxLength: 6 }), fc.array(fc.nat(500)), (all, cuts) => {
    let at = 0
    const expected = all.map((one) => (at += one.length))
    const heads = all.map((one) => one === HEAD)
    assert.deepEqual(ends(all.join(''), heads, cuts), { ends: expected, phase: 'head' })
  })
  fc.assert(property, { seed: 7, numRuns: RUNS })
})

const NOT_FOLLOWED: [string, string, string][] = [
  ['a body without length ends with the connection', 'HTTP/1.0 200 OK\r\n\r\nhello', 'to-close'],
  [
    'another transfer coding ends with the connection',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n',
    'to-close',
  ],
  ['what is no response can’t be followed', 'SSH-2.0-x\r\n\r\nHTTP/1.1 204 No\r\n\r\n', 'lost'],
  ['a bad chunk can’t be followed', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n', 'lost'],
  ['a head without end can’t be followed', `HTTP/1.1 200 OK\r\nA: ${'b'.repeat(70_000)}`, 'lost'],
  [
    '101 ends HTTP',
    'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\nHTTP/1.1 204 No\r\n\r\n',
    'tunnel',
  ],
]
for (const [sentence, stream, phase] of NOT_FOLLOWED)
  test(sentence, () => assert.deepEqual(ends(stream, [], [3, 20]), { ends: [], phase }))
