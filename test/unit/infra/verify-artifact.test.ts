/** heddle verify: from a store's bytes and a trusted root alone, and each break by its link. */
import assert from 'node:assert/strict'
import { afterEach, beforeEach, test } from 'node:test'
import { verifyArtifact } from '../../../infra/audit/verify-artifact.ts'
import {
  blobKey,
  codeTarget,
  hexOf,
  policyTarget,
  targetKey,
} from '../../../pipelines/contract/object-keys.ts'
import type { Digest } from '../../../pipelines/contract/artifact.ts'
import { sha256 } from '../../../agent/cache.ts'
import { forger, type Signed } from '../../fakes/forger.ts'
import { CODE, type Fleet, manifestOf, nodeFleet } from '../../fakes/node-fleet.ts'
import { testElf } from '../../fakes/test-elf.ts'

let fleet: Fleet
let artifact: Digest
beforeEach(async () => {
  fleet = await nodeFleet()
  artifact = await fleet.artifact('one')
})
afterEach(() => fleet.close())

const verify = (what = artifact, pinnedRoot = Buffer.from(fleet.published.root).toString()) =>
  verifyArtifact({
    store: { get: async (key, max) => (await fleet.store.get(key, max))?.bytes },
    pinnedRoot,
    artifact: what,
  })

test('every link holds, also when all metadata has long expired', async () => {
  fleet.clock.advance(400 * 24 * 3_600_000)
  const { links, broken } = await verify()
  assert.equal(broken, null)
  const facts = Object.fromEntries(links.map(({ link, facts }) => [link, facts]))
  assert.equal(facts['log entry']?.['log'], 'heddle.test/log')
  assert.equal(facts['commit']?.['author'], 'a@example.test')
  assert.ok(facts['metadata']?.['expires'])
})

const custom = () => forger(fleet).role('policy').targets[policyTarget(artifact)].custom
const flip = (key: string) => {
  const bytes = fleet.store.objects.get(key)?.slice()
  assert.ok(bytes, key)
  bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1
  fleet.store.objects.set(key, bytes)
}
const breaks: [string, string, string, () => void | Promise<void>][] = [
  [
    'metadata',
    'metadata-untrusted',
    'the list of policies was changed',
    () => flip(`tuf/${forger(fleet).role('policy').version}.policy.json`),
  ],
  [
    'metadata',
    'store-unavailable',
    'the timestamp is gone',
    () => void fleet.store.objects.delete('tuf/timestamp.json'),
  ],
  [
    'policy signature',
    'artifact-untrusted',
    'the builder lists another one',
    () => {
      artifact = `sha256:${'0'.repeat(64)}`
    },
  ],
  [
    'policy signature',
    'artifact-tampered',
    'the manifest was changed',
    () => flip(targetKey(policyTarget(artifact), hexOf(artifact))),
  ],
  [
    'provenance signature',
    'artifact-tampered',
    'the provenance was changed',
    () => flip(blobKey(custom().provenance)),
  ],
  [
    'provenance signature',
    'provenance-untrusted',
    'the provenance is that of another artifact',
    async () => {
      const { provenance } = custom()
      const elf = testElf(CODE, 'two')
      artifact = await fleet.published.publishArtifact(manifestOf(elf), elf)
      await forger(fleet).putRole('policy', (signed: Signed) => {
        signed.targets[policyTarget(artifact)].custom.provenance = provenance
      })
    },
  ],
  [
    'log entry',
    'artifact-unlogged',
    'it was never logged',
    async () => {
      const elf = testElf(CODE, 'in secret')
      artifact = await fleet.published.publishArtifact(manifestOf(elf), elf, false)
    },
  ],
  [
    'program bytes',
    'artifact-missing',
    'the program is gone',
    () => void fleet.store.objects.delete(blobKey(sha256(testElf(CODE, 'one')))),
  ],
  [
    'code signature',
    'code-untrusted',
    'the code is not what the code key signed',
    async () => {
      const elf = testElf('evil program', 'one')
      artifact = await fleet.published.publishArtifact(manifestOf(elf), elf)
    },
  ],
  [
    'code signature',
    'artifact-tampered',
    'what the code key signed was changed',
    () => {
      const path = codeTarget('small')
      flip(targetKey(path, forger(fleet).role('code').targets[path].hashes.sha256))
    },
  ],
]
for (const [link, code, name, breakIt] of breaks)
  test(`it breaks at "${link}" when ${name}`, async () => {
    await breakIt()
    const { broken } = await verify()
    assert.deepEqual([broken?.link, broken?.code], [link, code], broken?.message)
  })

test('it breaks at the root when that is none, or of another fleet', async () => {
  assert.equal((await verify(artifact, '{}')).broken?.link, 'root of trust')
  const other = await nodeFleet()
  try {
    const { broken } = await verify(artifact, Buffer.from(other.published.root).toString())
    assert.deepEqual([broken?.link, broken?.code], ['metadata', 'metadata-untrusted'])
  } finally {
    await other.close()
  }
})
