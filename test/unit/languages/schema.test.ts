import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { UNSUPPORTED } from '../../../pipelines/languages/cilium/features.ts'
import { ciliumJsonSchema } from '../../../pipelines/languages/cilium/json-schema.ts'

const FILE = new URL('../../../../pipelines/languages/cilium/schema.gen.json', import.meta.url)

test('schema.gen.json is what the schema says', () => {
  assert.equal(readFileSync(FILE, 'utf8'), ciliumJsonSchema(), 'stale: npm run generate')
})

test('every unsupported field stands in it, refused', () => {
  const text = ciliumJsonSchema()
  for (const [field, hint] of Object.entries(UNSUPPORTED)) {
    assert.ok(text.includes(`"${field}": {`), field)
    assert.ok(text.includes(JSON.stringify(`Not honoured by Heddle: ${hint}.`)), field)
  }
})
