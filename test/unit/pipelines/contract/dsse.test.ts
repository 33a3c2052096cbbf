import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { fromBase64, open, PAYLOAD_TYPES, pae, seal, toBase64 } from '../../../../pipelines/contract/dsse.ts'

const SEED = 20261123
const TYPE = PAYLOAD_TYPES.provenance
const bytes = (text: string) => new Uint8Array(Buffer.from(text))
/** A "signature" that only its key could have made, for those who hold all keys. */
const mark = (key: string, message: Uint8Array) => bytes(`${key}:${Buffer.from(message).toString('hex')}`)
const verify = (keyid: string, message: Uint8Array, sig: Uint8Array) =>
  ['k1', 'k2'].includes(keyid) && Buffer.from(sig).equals(mark(keyid, message))
const sealed = (...keys: string[]) =>
  seal(TYPE, bytes('hello'), (message) => keys.map((keyid) => ({ keyid, sig: mark(keyid, message) })))

test('the encoding is that of the specification', () => {
  const encoded = Buffer.from(pae(TYPE, bytes('hello world'))).toString()
  assert.equal(encoded, 'DSSEv1 28 application/vnd.in-toto+json 11 hello world')
})

test('base64 is that of everybody else', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (value) => {
      assert.equal(toBase64(value), Buffer.from(value).toString('base64'))
      assert.deepEqual(fromBase64(toBase64(value)), value)
    }),
    { seed: SEED, numRuns: 300 },
  )
})

test('what was sealed opens', () => {
  const opened = open(sealed('k1'), { payloadType: TYPE, threshold: 1 }, verify)
  assert.ok(opened.ok)
  assert.equal(Buffer.from(opened.payload).toString(), 'hello')
})

const other = PAYLOAD_TYPES.ringSuccess
const refusals: [string, unknown, { payloadType: typeof TYPE | typeof other; threshold: number }][] = [
  ['another payload type than expected', sealed('k1'), { payloadType: other, threshold: 1 }],
  [
    'a payload type that was relabelled',
    { ...sealed('k1'), payloadType: other },
    { payloadType: other, threshold: 1 },
  ],
  ['a key that nobody trusts', sealed('k3'), { payloadType: TYPE, threshold: 1 }],
  ['too few keys', sealed('k1'), { payloadType: TYPE, threshold: 2 }],
  ['one key twice for a threshold of two', sealed('k1', 'k1'), { payloadType: TYPE, threshold: 2 }],
  ['a threshold of zero', sealed('k1'), { payloadType: TYPE, threshold: 0 }],
  [
    'another payload',
    { ...sealed('k1'), payload: toBase64(bytes('hullo')) },
    { payloadType: TYPE, threshold: 1 },
  ],
  ['no signature', { ...sealed('k1'), signatures: [] }, { payloadType: TYPE, threshold: 1 }],
  ['more than it should have', { ...sealed('k1'), extra: 1 }, { payloadType: TYPE, threshold: 1 }],
  ['no envelope', 'hello', { payloadType: TYPE, threshold: 1 }],
  ['broken base64', { ...sealed('k1'), payload: 'aGVsbG8' }, { payloadType: TYPE, threshold: 1 }],
]
for (const [what, envelope, expected] of refusals) {
  test(`${what} is refused`, () => {
    assert.equal(open(envelope, expected, verify).ok, false)
  })
}

test('two keys meet a threshold of two', () => {
  assert.ok(open(sealed('k1', 'k2'), { payloadType: TYPE, threshold: 2 }, verify).ok)
})
