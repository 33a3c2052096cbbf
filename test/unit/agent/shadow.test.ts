import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, test } from 'node:test'
import type { ShadowSample } from '../../../agent/ports.ts'
import type { Digest } from '../../../pipelines/contract/artifact.ts'
import { Report } from '../../../pipelines/contract/release.ts'
import { type Fleet, nodeFleet } from '../../fakes/node-fleet.ts'
import { tablesOf, testElf } from '../../fakes/test-elf.ts'

let fleet: Fleet
let one: Digest
let two: Digest
beforeEach(async () => {
  fleet = await nodeFleet()
  one = await fleet.artifact('one')
  two = await fleet.artifact('two')
  await fleet.published.release('canary', 1, one)
  assert.equal((await fleet.pass()).outcome, 'enforced')
})
afterEach(() => fleet.close())

const tables = (content: string) => tablesOf(testElf('', content))
const content = () => fleet.kernel.content
const tablesIn = (slot: number | undefined) => content().slots[slot ?? -1]?.tablesDigest ?? null
const enforcedTables = () => tablesIn(content().active?.slot)
const shadowTables = () => tablesIn(content().shadow?.candidate)
const gone = { get: () => Promise.reject(new Error('no network')) }

test('what the director wants is loaded, asked and reported, and nothing of it is enforced', async () => {
  await fleet.published.shadow('canary', 2, two)
  const report = await fleet.pass()
  assert.equal(report.outcome, 'unchanged')
  assert.equal(report.failure, null)
  assert.deepEqual([enforcedTables(), shadowTables()], [tables('one'), tables('two')])
  assert.equal(content().shadow?.active, content().active?.slot)
  const nothing = { agree: 0, newDenies: 0, unintended: 0, newAllows: 0, other: 0, unseen: 0, samples: [] }
  assert.deepEqual(report.shadow, { number: 2, artifact: two, beside: one, ...nothing })
})

test('a later pass, and a restart of the agent, change nothing and go on counting', async () => {
  await fleet.published.shadow('canary', 2, two)
  await fleet.pass()
  const { shadow } = content()
  assert.ok(shadow)
  shadow.counts = { agree: 7, newDenies: 2, newAllows: 1, other: 0, unseen: 3 }
  const calls = fleet.kernel.calls.length
  const report = await fleet.pass()
  assert.equal(report.shadow?.newDenies, 2)
  assert.equal(report.shadow?.unseen, 3)
  assert.deepEqual(
    fleet.kernel.calls.slice(calls).filter((call) => /^(stage|flip|unstage|shadow off)/.test(call)),
    [],
  )
})

test('taken away, it ends: nobody asks, the slot is empty, the bytes are forgotten', async () => {
  await fleet.published.shadow('canary', 2, two)
  await fleet.pass()
  await fleet.published.shadow('canary', 2, null)
  const report = await fleet.pass()
  assert.equal(report.shadow, null)
  assert.equal(content().shadow, null)
  assert.deepEqual(Object.keys(content().slots), [`${content().active?.slot}`])
  const node = await fleet.node()
  assert.equal((await node.disk.list('blobs/sha256')).includes(two.slice(7)), false)
  assert.equal(enforcedTables(), tables('one'))
})

test('another artifact, or the same under another number, begins anew', async () => {
  await fleet.published.shadow('canary', 2, two)
  await fleet.pass()
  for (const [number, artifact] of [
    [3, two],
    [4, one],
  ] as const) {
    const { shadow } = content()
    assert.ok(shadow)
    shadow.counts.agree = 9
    await fleet.published.shadow('canary', number, artifact)
    const report = await fleet.pass()
    assert.equal(report.shadow?.number, number)
    assert.equal(report.shadow?.artifact, artifact)
    assert.equal(report.shadow?.agree, 0)
  }
  assert.notEqual(content().shadow?.candidate, content().active?.slot, 'the same artifact, loaded twice')
})

test('under another release the new generation asks, and counts begin at zero', async () => {
  await fleet.published.shadow('canary', 2, two)
  await fleet.pass()
  const { shadow } = content()
  assert.ok(shadow)
  shadow.counts.newDenies = 5
  const three = await fleet.artifact('three')
  await fleet.published.release('canary', 3, three)
  const report = await fleet.pass()
  assert.equal(report.outcome, 'enforced')
  assert.equal(content().shadow?.active, content().active?.slot)
  assert.equal(report.shadow?.beside, three)
  assert.equal(report.shadow?.newDenies, 0)
  assert.equal(shadowTables(), tables('two'))
})

test('a release that finds no other slot takes that of the shadow, which waits', async () => {
  await fleet.published.shadow('canary', 2, two)
  await fleet.pass()
  const own = [content().active?.slot, content().shadow?.candidate]
  fleet.kernel.busy = new Set([0, 1, 2, 3, 4, 5, 6, 7].filter((slot) => !own.includes(slot)))
  await fleet.published.release('canary', 3, await fleet.artifact('three'))
  const report = await fleet.pass()
  assert.equal(report.outcome, 'enforced')
  assert.equal(enforcedTables(), tables('three'))
  assert.equal(content().shadow, null)
  assert.equal(report.failure?.code, 'no-free-slot')
  fleet.kernel.busy = new Set()
  assert.equal((await fleet.pass()).shadow?.artifact, two)
})

test('without the store it goes on; after a reboot without it, it is off, and comes back with it', async () => {
  await fleet.published.shadow('canary', 2, two)
  await fleet.pass()
  assert.equal((await fleet.pass({ store: gone })).shadow?.artifact, two)
  fleet.kernel.reboot()
  const report = await fleet.pass({ store: gone })
  assert.equal(report.shadow, null)
  assert.equal(enforcedTables(), tables('one'))
  assert.equal((await fleet.pass()).shadow?.artifact, two)
})

test('whom nobody remembers nobody asks', async () => {
  await fleet.published.shadow('canary', 2, two)
  await fleet.pass()
  const node = await fleet.node()
  await node.state.update({ shadow: null })
  await fleet.pass({ store: gone })
  assert.equal(content().shadow, null)
})

test('a slot that holds something else than it should is not asked', async () => {
  await fleet.published.shadow('canary', 2, two)
  await fleet.pass()
  const slot = content().slots[content().shadow?.candidate ?? -1]
  assert.ok(slot)
  slot.tablesDigest = tables('three')
  assert.equal((await fleet.pass({ store: gone })).shadow, null)
  assert.equal((await fleet.pass()).shadow?.artifact, two)
  assert.equal(shadowTables(), tables('two'))
})

describe('what is not signed, or can not run, does not look on, and says nothing against the release', () => {
  const unsigned: Digest = `sha256:${'9'.repeat(64)}`
  const cases: [string, string, () => Promise<void>][] = [
    ['an artifact that no builder signed', 'artifact-untrusted', () => wish(unsigned)],
    [
      'code that the code key did not sign',
      'code-untrusted',
      async () => wish(await fleet.artifact('x', { code: { variant: 'large', digest: unsigned } })),
    ],
    [
      "tables that are not the manifest's",
      'artifact-tampered',
      async () => wish(await fleet.artifact('x', { tables: { digest: unsigned, words: 4 } })),
    ],
    ['another ABI', 'abi-mismatch', async () => wish(await fleet.artifact('x', { abi: 2 }))],
    [
      'a newer kernel than this one',
      'kernel-too-old',
      async () => wish(await fleet.artifact('x', { kernel: { minimum: '9.0', arch: 'bpfel', hooks: [] } })),
    ],
    [
      'an artifact whose provenance is nowhere',
      'artifact-missing',
      async () => {
        const known = new Set(fleet.store.objects.keys())
        await wish(await fleet.artifact('x'))
        for (const [key, bytes] of fleet.store.objects)
          if (!known.has(key) && key.startsWith('blobs/') && Buffer.from(bytes).includes('payloadType'))
            fleet.store.objects.delete(key)
      },
    ],
    [
      'the statement of another ring',
      'release-wrong-ring',
      () => fleet.published.shadow('canary', 2, two, { ring: 'wide' }),
    ],
    [
      'a statement that is none',
      'artifact-untrusted',
      () => fleet.published.shadow('canary', 2, two, { number: 0 }),
    ],
    [
      'programs that are older than shadows',
      'shadow-unsupported',
      async () => {
        fleet.kernel.shadowless = true
        await wish(two)
      },
    ],
    [
      'what the verifier refuses',
      'verifier-rejected',
      async () => {
        fleet.kernel.rejecting = true
        await wish(two)
      },
    ],
  ]
  const wish = (artifact: Digest) => fleet.published.shadow('canary', 2, artifact)
  for (const [what, code, publish] of cases)
    test(what, async () => {
      await publish()
      const report = await fleet.pass()
      assert.equal(report.failure?.code, code)
      assert.equal(report.outcome, 'unchanged')
      assert.equal(report.number, 1)
      assert.equal(report.shadow, null)
      assert.equal(content().shadow, null)
      assert.equal(enforcedTables(), tables('one'))
    })
})

test('a statement that can not be believed ends what the one before began', async () => {
  await fleet.published.shadow('canary', 2, two)
  await fleet.pass()
  await fleet.published.shadow('canary', 3, one, { ring: 'wide' })
  assert.equal((await fleet.pass()).shadow, null)
  assert.equal(content().shadow, null)
})

test('a shadow has rows, and no routes: connections past the relay stay as they are', async () => {
  const service = { namespace: 'shop', name: 'cart', port: 80 }
  const routes = [{ service: { ...service, port: null }, clients: null, set: 0 }]
  const routed = await fleet.artifact('routed', { services: [service], routes })
  await fleet.published.shadow('canary', 2, routed)
  assert.equal((await fleet.pass()).shadow?.artifact, routed)
  const slot = content().shadow?.candidate
  assert.deepEqual(
    fleet.kernel.calls.filter((call) => call === `setRoutes ${slot}`),
    [],
  )
  assert.notEqual(content().slots[slot ?? -1]?.rows, '[]')
})

test('samples tell workloads, and of each kind the newest in turn', async () => {
  await fleet.published.shadow('canary', 2, two)
  const sample = (kind: ShadowSample['kind'], path: string): ShadowSample => ({
    kind,
    agoMs: 1000,
    source: { address: '10.0.0.1', port: 4000, identity: null },
    destination: { address: '10.0.0.2', port: 80 },
    protocol: 6,
    request: { method: 'GET', path },
    active: { allowed: true, reason: 'ALLOWED', status: 0 },
    candidate: { allowed: false, reason: 'DENIED', status: 403 },
  })
  const denies = Array.from({ length: 12 }, (_, i) => sample('new-deny', `/${i}`))
  const local = { ...sample('other', '/local'), source: { address: '0.0.0.0', port: 0, identity: 1 } }
  fleet.kernel.samples = [...denies, sample('new-allow', '/rare'), local]
  const { shadow } = await fleet.pass()
  assert.deepEqual(
    shadow?.samples.map(({ request }) => request?.path),
    ['/0', '/rare', '/local', ...Array.from({ length: 7 }, (_, i) => `/${i + 1}`)],
  )
  const first = shadow?.samples[0]
  assert.equal(first?.source, 'shop/cart-1 (10.0.0.1)')
  assert.equal(first?.destination, 'shop/web-1 (10.0.0.2) port 80')
  assert.deepEqual(first?.candidate, { allowed: false, reason: 'DENIED', status: 403 })
  assert.equal(first?.active.status, null)
  assert.equal(shadow?.samples[2]?.source, 'shop/app=cart (this node)')
  assert.equal(first?.at, new Date(fleet.clock.now().getTime() - 1000).toISOString())
})

test('a report of an agent that knows no shadows is one', async () => {
  const { shadow: _, ...older } = await fleet.pass()
  assert.equal(Report.parse(older).shadow, null)
})
