/** Expressions in a policy mean what RE2 says, seen through the evaluator. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { RE2JS } from 're2js'
import { evaluate } from '../../pipelines/policy/evaluate.ts'
import { utf8 } from '../../pipelines/bytes.ts'
import type { PolicySet } from '../../pipelines/policy/model.ts'
import { regexPattern, subjectFor } from '../unit/automata/patterns.ts'

const PAIRS = process.env['HEDDLE_DEEP'] === '1' ? 100_000 : 3_000
const WORKLOAD = { namespace: 'n', labels: {} }
const CONNECTION = { subject: WORKLOAD, peer: WORKLOAD, peerAddress: '', port: 80, protocol: 'TCP' as const }

function setOf(path: string): PolicySet {
  const source = { file: 'p', line: 1, column: 1 }
  const http = [{ source, path, headers: [] }]
  const subject = { namespaces: null, requirements: [] }
  const allow = [{ source, peers: null, ports: null, http }]
  const policy = { name: 'p', namespace: 'n', source, subject, selects: true, deny: [], allow }
  return { policies: [{ ...policy, unparsed: 'refuse' }], routes: [] }
}

test('the verdict on a path is that of re2js', (context) => {
  const counts = { pairs: 0, matching: 0, refused: 0 }
  const property = fc.property(regexPattern(), fc.integer(), (pattern, seed) => {
    // An empty pattern is no pattern to a front-end; here it is one that matches nothing but the empty text.
    const set = setOf(pattern)
    const text = subjectFor(pattern, seed)
    let expected: boolean
    try {
      expected = RE2JS.matches(pattern, text)
    } catch {
      counts.refused += 1
      return
    }
    const request = { method: utf8('GET'), target: utf8(text), version: '1.1' as const, fields: [] }
    assert.equal(
      evaluate(set, CONNECTION, request).kind === 'allow',
      expected,
      `${pattern} on ${JSON.stringify(text)}`,
    )
    counts.pairs += 1
    counts.matching += Number(expected)
  })
  fc.assert(property, { seed: 20265, numRuns: PAIRS })
  context.diagnostic(JSON.stringify(counts))
  assert.ok(counts.matching > PAIRS / 50, 'enough matches')
})
