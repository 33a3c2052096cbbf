import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { canonicalJson, type Json } from '../../../../pipelines/contract/canonical-json.ts'

const SEED = 20261123

describe('canonical JSON', () => {
  const rows: [Json, string][] = [
    [null, 'null'],
    [{ b: 1, a: [true, 'x'] }, '{"a":[true,"x"],"b":1}'],
    [{ a: undefined, b: {} }, '{"b":{}}'],
    // RFC 8785, 3.2.3: by UTF-16 code units, so the emoji (a surrogate) stands before U+FB33.
    [
      { '\ufb33': 1, '😀': 2, '\u20ac': 3, '\r': 4, '1': 5, ö: 6 },
      '{"\\r":4,"1":5,"ö":6,"€":3,"😀":2,"\ufb33":1}',
    ],
    // RFC 8785, 3.2.2.3
    [[333333333.3333333, 1e30, 4.5, 2e-3, 1e-27, -0], '[333333333.3333333,1e+30,4.5,0.002,1e-27,0]'],
    ['\u20ac$\u000f\nA\'B"\\/', '"€$\\u000f\\nA\'B\\"\\\\/"'],
  ]
  for (const [value, text] of rows) it(`spells ${text}`, () => assert.equal(canonicalJson(value), text))

  it('has no spelling for what JSON can not say', () => {
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY])
      assert.throws(() => canonicalJson([value]), RangeError)
  })

  it('spells equal values equally, whatever the order of their members, and means the same', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (value) => {
        const reversed = Object.fromEntries(Object.entries(value).reverse())
        assert.equal(canonicalJson(value as Json), canonicalJson(reversed as Json))
        assert.equal(
          JSON.stringify(JSON.parse(canonicalJson(value as Json))).length,
          JSON.stringify(value).length,
        )
      }),
      { seed: SEED },
    )
  })
})
