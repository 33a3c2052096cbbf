import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MAX_VOLUME, SLICES } from '../../../pipelines/policy/breaker.ts'
import {
  Abi,
  BreakerLimit,
  BreakerRuleLayout,
  DfaLayout,
  Diagram,
  Field,
  Limit,
  Next,
  TablesLayout,
} from '../../../bpf/abi/heddle.gen.ts'
import * as layout from '../../../pipelines/tables/layout.ts'

test('the restated constants are those of heddle.h', () => {
  assert.deepEqual(
    [layout.ABI, layout.TABLES_MAGIC, layout.MAX_BLOCKS, layout.MAX_DIMS, layout.MAX_LATCHES],
    [Abi.ABI, Abi.TABLES_MAGIC, Limit.MAX_BLOCKS, Limit.MAX_DIMS, Limit.MAX_LATCHES],
  )
  assert.deepEqual([layout.DIM_METHOD, layout.DIM_HOST], [Limit.DIM_METHOD, Limit.DIM_HOST])
  assert.deepEqual([layout.NEXT_LATCH, layout.NEXT_STATE], [Next.NEXT_LATCH, Next.NEXT_STATE])
  assert.deepEqual(
    [layout.LEAF, layout.LEAF_NUMBER, layout.CLASS_ABSENT, layout.CLASS_OTHER, layout.CLASS_FIRST],
    [Diagram.LEAF, Diagram.LEAF_NUMBER, Diagram.CLASS_ABSENT, Diagram.CLASS_OTHER, Diagram.CLASS_FIRST],
  )
  assert.equal(layout.DFA_WORDS * 4, DfaLayout.bytes)
  assert.equal(layout.HEADER_WORDS * 4, TablesLayout.bytes)
  assert.equal(layout.BREAKER_WORDS * 4, BreakerRuleLayout.bytes)
  assert.deepEqual([SLICES, MAX_VOLUME], [BreakerLimit.BREAKER_SLICES, BreakerLimit.BREAKER_VOLUME])
})

test('every member of struct heddle_tables stands where the kernel reads it', () => {
  for (const [member, word] of Object.entries(layout.AT)) {
    assert.equal(word * 4, TablesLayout.fields[member as keyof typeof TablesLayout.fields].at, member)
  }
})

test('every framing field has the code that the kernel knows', () => {
  for (const [name, code] of layout.FIELD_CODES) {
    const key = `FIELD_${name.toUpperCase().replace('-', '_')}` as keyof typeof Field
    assert.equal(code, Field[key], name)
  }
  assert.equal(layout.FIELD_CODES.size, Object.keys(Field).length - 2)
})
