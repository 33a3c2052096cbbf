/** Cases beside policies in the validate stage: they refuse a commit, and leave no trace in what is built. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { nodePolicyReader } from '../../../../functions/adapters/node-policy-reader.ts'
import { getJson } from '../../../../functions/blobs.ts'
import { compile } from '../../../../functions/compile/build-artifact.ts'
import { NO_REVIEWS } from '../../../../functions/no-forge.ts'
import type { Compiler, Pull } from '../../../../functions/ports.ts'
import { validate } from '../../../../functions/validate/validate.ts'
import { Manifest } from '../../../../pipelines/contract/artifact.ts'
import type { DeliveryEvent } from '../../../../pipelines/contract/events.ts'
import { Checked } from '../../../../pipelines/contract/validated.ts'
import { buildTables } from '../../../../pipelines/tables/build-tables.ts'
import { fakeCompiler } from '../../../fakes/compiler.ts'
import { memoryForge, memoryStatuses } from '../../../fakes/memory-forge.ts'
import { memoryStore } from '../../../fakes/memory-store.ts'
import { document, POLICY, ROUTE } from '../../languages/case-text.ts'

const files = { [`policies/${POLICY.path}`]: POLICY.text, [`policies/${ROUTE.path}`]: ROUTE.text }
const asked = (verdict: string) =>
  document([
    '{name: holds, connect: true, to: {labels: {app: api}}, expect: {verdict: drop}}',
    `{name: asked, request: {line: GET /admin}, from: {labels: {app: web}}, to: {labels: {app: api}}, expect: {verdict: ${verdict}}}`,
  ]).text
const TEST_FILE = 'policies/a-test.yaml'

/** Its ELF is the tables of the real compiler. */
const tablesCompiler: Compiler = {
  async compile(set) {
    const built = buildTables(set)
    assert.ok(built.ok)
    const { blob, blocks, services, routes } = built.tables
    const plain = await fakeCompiler.compile(set)
    return { ...plain, blocks: [...blocks], services: [...services], routes: [...routes], elf: blob }
  },
}

/** One commit, always of one id, validated. */
async function validated(text: Record<string, string>, pull?: number) {
  const forge = memoryForge()
  const [store, statuses] = [memoryStore(), memoryStatuses()]
  const sent: DeliveryEvent[] = []
  const queue = { send: async (event: DeliveryEvent) => void sent.push(event) }
  const commit = forge.commit(text)
  forge.push(commit)
  const open: Pull = { number: 1, open: true, commit, branch: 'main', merged: false }
  const pulls = { pull: async () => open, open: async () => [open], base: async () => undefined }
  const ports = { forge, pulls, reviews: NO_REVIEWS, reader: nodePolicyReader(), statuses, store, queue }
  const event = { stage: 'validate' as const, commit, ...(pull === undefined ? {} : { pull }) }
  await validate({ ...ports, repository: 'acme/policies', branch: 'main' }, event)
  return { commit, store, statuses, queue, sent, status: statuses.posted.get(commit) }
}

async function artifactOf(text: Record<string, string>) {
  const { store, statuses, queue, sent } = await validated(text)
  const event = sent.pop()
  assert.ok(event?.stage === 'compile')
  await compile({ store, statuses, queue, compiler: tablesCompiler }, event)
  const built = sent.pop()
  assert.ok(built?.stage === 'sign')
  return { artifact: built.artifact, manifest: await getJson(store, built.artifact, Manifest) }
}

const FAILED = {
  file: TEST_FILE,
  line: 6,
  column: 3,
  code: 'policy-test-failed',
  message:
    '`asked`: expected allow, came deny 403 (no-request-rule-matches) by policy shop/api at policies/api.yaml:9',
  hint: 'correct what decides, or the case where this is meant',
  severity: 'error',
}

describe('cases beside policies', () => {
  it('refuse the commit where one fails, at its line, and nothing goes on', async () => {
    const { status, sent, store } = await validated({ ...files, [TEST_FILE]: asked('allow') })
    assert.deepEqual([status?.state, status?.stage, status?.findings], ['failure', 'refused', [FAILED]])
    assert.deepEqual([sent, store.objects.size], [[], 0])
  })

  it('change no byte of the artifact where they hold', async () => {
    const without = await artifactOf(files)
    const beside = await artifactOf({ ...files, [TEST_FILE]: asked('deny') })
    assert.deepEqual(beside, without)
    assert.ok(without.manifest.elf.bytes > 0 && without.manifest.routes.length > 0, 'and there are some')
  })

  it('refuse a pull request likewise', async () => {
    const { sent, store } = await validated({ ...files, [TEST_FILE]: asked('allow') }, 1)
    const [event] = sent
    assert.ok(event?.stage === 'plan')
    const { set, findings } = await getJson(store, event.checked, Checked)
    assert.deepEqual([set, findings], [null, [FAILED]])
  })

  it('are not asked about policies that are refused themselves', async () => {
    const { status } = await validated({
      [`policies/${POLICY.path}`]: POLICY.text.replace('ingress:', 'ingres:'),
      [TEST_FILE]: asked('allow'),
    })
    assert.deepEqual(
      status?.findings.map(({ code }) => code),
      ['unknown-field'],
    )
  })
})
