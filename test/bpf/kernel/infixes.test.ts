/** Many infixes: each is a latch, and a latch is a bit; every one must be found, and no other. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PolicySet } from '../../../pipelines/policy/model.ts'
import { whyNoKernel } from './kernel-fixture.ts'
import { enforced, oneRule } from './one-rule.ts'

/** More than one word of latches: each asks for a value of its own, so that none shares another's. */
const INFIXES = 70

function infixRules(): PolicySet {
  const [policy] = oneRule().policies
  const [rule] = policy?.allow ?? []
  assert.ok(policy && rule)
  const http = Array.from({ length: INFIXES }, (_, i) => ({
    source: rule.source,
    path: `.*/n${i}/.*`,
    headers: [{ name: 'x-n', value: `${i}` }],
  }))
  return { policies: [{ ...policy, allow: [{ ...rule, http }] }], routes: [] }
}

test('each of many infixes opens its own path', { skip: whyNoKernel() ?? false }, async (t) => {
  const { fixture } = await enforced(t, infixRules())
  const { port } = await fixture.recordingServer()
  const status = async (infix: number, value: number) => {
    const headers = { 'x-n': `${value}` }
    const reply = await fetch(`http://127.0.0.1:${port}/a/n${infix}/b`, { headers })
    await reply.arrayBuffer()
    return reply.status
  }
  for (let i = 0; i < INFIXES; i++) assert.equal(await status(i, i), 200, `infix ${i}`)
  for (const i of [0, 6, INFIXES - 1]) assert.equal(await status(i, i + 1), 403, `infix ${i}`)
})
