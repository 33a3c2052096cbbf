/** Rules that are asked one after the other: infixes, each a latch, and headers that have nothing in common. */
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

/** More than one part of a diagram holds: 2^60 sets of them could be there at once. */
const HEADERS = 60

const allBut = (app: string) => ({
  namespaces: ['default'],
  requirements: [{ key: 'app', operator: 'NotIn' as const, values: [app] }],
})

function headerRules(): PolicySet {
  const [policy] = oneRule().policies
  const [rule] = policy?.allow ?? []
  assert.ok(policy && rule)
  const allow = Array.from({ length: HEADERS }, (_, i) => ({
    ...rule,
    // Without another peer each: a block of its own.
    peers: [{ kind: 'endpoints' as const, selector: allBut(`other-${i}`) }],
    http: [{ source: rule.source, headers: [{ name: `x-${i}`, value: 'yes' }] }],
  }))
  return { policies: [{ ...policy, allow }], routes: [] }
}

test('each of many headers opens by itself', { skip: whyNoKernel() ?? false }, async (t) => {
  const { fixture } = await enforced(t, headerRules())
  const { port } = await fixture.recordingServer()
  const status = async (...sent: [name: string, value: string][]) => {
    const reply = await fetch(`http://127.0.0.1:${port}/`, { headers: sent })
    await reply.arrayBuffer()
    return reply.status
  }
  for (let i = 0; i < HEADERS; i++) assert.equal(await status([`x-${i}`, 'yes']), 200, `header ${i}`)
  const none = Array.from({ length: HEADERS }, (_, i): [string, string] => [`x-${i}`, 'no'])
  assert.equal(await status(...none), 403)
  assert.equal(await status(...none.slice(1), ['x-0', 'yes']), 200)
})
