import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { readPolicies } from '../../../functions/validate/load-policies.ts'
import {
  BROKEN,
  BROKEN_FILE,
  goodPolicy,
  POLICY_FILE,
  SECOND_POLICY,
} from '../../../infra/local/demo-policies.ts'

describe('the policies of the demo', () => {
  for (const [name, text] of Object.entries({ first: goodPolicy(), second: SECOND_POLICY })) {
    test(`the ${name} good one is taken without a finding`, () => {
      const loaded = readPolicies([{ path: POLICY_FILE, text }])
      assert.ok('set' in loaded)
      assert.deepEqual(loaded.warnings, [])
    })
  }

  for (const { what, text, code, line } of BROKEN) {
    test(`${what} is named where it stands, with what to write`, () => {
      const loaded = readPolicies([{ path: BROKEN_FILE, text }])
      assert.ok('findings' in loaded)
      const found = loaded.findings.map((finding) => [finding.file, finding.line, finding.code])
      assert.deepEqual(found, [[BROKEN_FILE, line, code]])
      assert.notEqual(loaded.findings[0]?.hint, '')
    })
  }
})
