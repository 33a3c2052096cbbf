/** What an artifact says of audit rules: the names of what kernels count. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { getJson, putJson } from '../../../../functions/blobs.ts'
import { compile } from '../../../../functions/compile/build-artifact.ts'
import { Manifest } from '../../../../pipelines/contract/artifact.ts'
import type { DeliveryEvent } from '../../../../pipelines/contract/events.ts'
import type { Validated } from '../../../../pipelines/contract/validated.ts'
import { auditId } from '../../../../pipelines/policy/audit.ts'
import type { AuditRule } from '../../../../pipelines/policy/model.ts'
import { fakeCompiler } from '../../../fakes/compiler.ts'
import { memoryStatuses } from '../../../fakes/memory-forge.ts'
import { memoryStore } from '../../../fakes/memory-store.ts'
import { http, policy, rule, tcp } from '../../policy/small-policies.ts'

const commit = 'c'.repeat(40)

async function manifestOf(audits: AuditRule[]): Promise<Manifest> {
  const [store, sent] = [memoryStore(), [] as DeliveryEvent[]]
  const queue = { send: async (event: DeliveryEvent) => void sent.push(event) }
  const validated: Validated = {
    schema: 'heddle.validated/1',
    set: { policies: [policy({ audits })], routes: [] },
    materials: [],
    source: { repository: 'p', commit, author: 'a', committed: '2026-11-24T00:00:00Z' },
  }
  const event = { stage: 'compile' as const, commit, validated: await putJson(store, validated) }
  await compile({ store, queue, statuses: memoryStatuses(), compiler: fakeCompiler }, event)
  const [built] = sent
  assert.ok(built?.stage === 'sign')
  return getJson(store, built.artifact, Manifest)
}

const audit = (name: string, reason?: string): AuditRule => ({
  ...rule(5, { ports: tcp(80), ...(reason === undefined ? {} : { reason }) }),
  ...{ name, http: [http(7, {})] },
})

test('the manifest names them, with what their counts are known by', async () => {
  const named = { namespace: 'default', policy: 'p' }
  const { audits } = await manifestOf([audit('a', 'before we deny it'), audit('b')])
  assert.deepEqual(audits, [
    { id: String(auditId({ ...named, rule: 'a' })), ...named, rule: 'a', reason: 'before we deny it' },
    { id: String(auditId({ ...named, rule: 'b' })), ...named, rule: 'b' },
  ])
})

test('without any it is what it was before there were audits', async () => {
  assert.equal('audits' in (await manifestOf([])), false)
})
