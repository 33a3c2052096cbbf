/** An expression whose states blow up is refused by name, where it is asked. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { failureStatus } from '../../../functions/statuses.ts'
import { buildTables } from '../../../pipelines/tables/build-tables.ts'
import { accepted } from '../languages/cilium-text.ts'
import { match } from '../languages/mesh-text.ts'

const DEEP = process.env['HEDDLE_DEEP'] === '1'
/** What stood 20 letters ago: 2^20 states, and seconds until that is too much. */
const EXPRESSION = '(a|b)*a(a|b){20}'
const TABLE: [says: string, match: string][] = [
  [`header x-a regex ${EXPRESSION}`, `{headers: [{name: x-a, regex: "${EXPRESSION}"}]}`],
  [`path regex /${EXPRESSION}`, `{path: {regex: "/${EXPRESSION}"}}`],
  [`query q regex ${EXPRESSION}`, `{query: [{name: q, regex: "${EXPRESSION}"}]}`],
  [`cookie c regex ${EXPRESSION}`, `{cookies: [{name: c, regex: "${EXPRESSION}"}]}`],
]

describe('states that blow up', () => {
  for (const [says, text] of TABLE)
    test(says, { skip: !DEEP && 'seconds each: runs in test:deep, one of them in test/e2e/lint-cli' }, () => {
      const built = buildTables({ policies: accepted(match(text)), routes: [] })
      assert.ok(!built.ok && built.failures[0])
      const [finding] = failureStatus(built.failures[0]).findings
      const { file, line, column, code, message, hint } = finding ?? {}
      assert.deepEqual([file, line, column, code], ['m.yaml', 6, 40, 'limit-exceeded'])
      assert.ok(message?.startsWith(`${says}: the patterns together need more than `), message)
      assert.equal(hint, `costs most: m.yaml:6:40: ${says}`)
    })
})
