/**
 * Good signatures over what the decoder does not know: a field too many or too few, in every document
 * that a node reads. Whoever reads past the end of what he expects crashes a fleet.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sha256 } from '../../../../agent/cache.ts'
import { encode } from '../../../../functions/trust/metadata.ts'
import type { Digest, Manifest } from '../../../../pipelines/contract/artifact.ts'
import { blobKey, codeTarget, policyTarget } from '../../../../pipelines/contract/object-keys.ts'
import type { Release, RingSuccess } from '../../../../pipelines/contract/release.ts'
import { forger, type Signed } from '../../../fakes/forger.ts'
import { CODE, manifestOf } from '../../../fakes/node-fleet.ts'
import { testElf } from '../../../fakes/test-elf.ts'
import { eachTestAt, fleet, refused } from './refusal.ts'

eachTestAt(5)

/** What a type forbids to write. */
const odd = <T>(fields: Record<string, unknown>) => fields as Partial<T>
const block = { kind: 'select', subject: { namespaces: ['shop'], requirements: [] }, peers: null }
const { peers: _, ...shortBlock } = block

const manifests: [string, Record<string, unknown>][] = [
  ['with a field too many', { extra: 1 }],
  ['with a field too few', { policies: undefined }],
  ['with a field too many in a part', { tables: { ...manifestOf(testElf(CODE, 'two')).tables, rows: 4 } }],
  ['with a field too many in a block', { blocks: [{ ...block, extra: 1 }] }],
  ['with a field too few in a block', { blocks: [shortBlock] }],
  ['with more blocks than a row has bits', { blocks: Array.from({ length: 1025 }, () => block) }],
  ['with a block of a kind that is not known', { blocks: [{ ...block, kind: 'maybe' }] }],
  ['of the next schema', { schema: 'heddle.artifact/2' }],
]
for (const [what, fields] of manifests) {
  test(`field count: a manifest ${what}`, async () => {
    await fleet.published.release('canary', 6, await fleet.artifact('two', odd<Manifest>(fields)))
    await refused('artifact-untrusted')
  })
}

for (const [what, fields] of [
  ['too many', { extra: 1 }],
  ['too few', { rollout: undefined }],
] as const) {
  test(`field count: a release with a field ${what}`, async () => {
    await fleet.published.release('canary', 6, await fleet.artifact('two'), odd<Release>(fields))
    await refused('artifact-untrusted')
  })

  test(`field count: a ring success with a field ${what}`, async () => {
    const two = await fleet.artifact('two')
    await fleet.published.release('prod', 6, two)
    await fleet.published.succeed('canary', 6, two, odd<RingSuccess>(fields))
    await refused('artifact-untrusted', { ring: 'prod', previousRing: 'canary' })
  })
}

test('field count: a code target with a field too many', async () => {
  const { variant, digest } = manifestOf(testElf(CODE, '')).code
  await fleet.published.putCode({
    path: codeTarget(variant),
    bytes: encode({ variant, digest, next: digest }),
  })
  await fleet.published.release('canary', 6, await fleet.artifact('two'))
  await refused('code-untrusted')
})

test('field count: an envelope with a field too many', async () => {
  const two: Digest = await fleet.artifact('two')
  await fleet.published.release('canary', 6, two)
  const { role, putRole, objects } = forger(fleet)
  const listed = role('policy').targets[policyTarget(two)].custom.provenance
  const envelope = JSON.parse(Buffer.from(objects.get(blobKey(listed)) ?? []).toString())
  const longer = encode({ ...envelope, unsigned: 'words' })
  objects.set(blobKey(sha256(longer)), longer)
  await putRole('policy', (signed: Signed) => {
    signed.targets[policyTarget(two)].custom.provenance = sha256(longer)
  })
  await refused('provenance-untrusted')
})

test('field count: the same documents with the right fields are taken', async () => {
  await fleet.published.release('canary', 6, await fleet.artifact('two'))
  assert.equal((await fleet.pass()).outcome, 'enforced')
})
