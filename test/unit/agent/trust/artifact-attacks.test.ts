/** Attacks behind good metadata: the artifact, its code, and what it asks of a node. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sha256 } from '../../../../agent/cache.ts'
import { digestsOf } from '../../../../agent/trust/code.ts'
import type { Digest, Manifest } from '../../../../pipelines/contract/artifact.ts'
import {
  blobKey,
  codeTarget,
  hexOf,
  policyTarget,
  releaseTarget,
  targetKey,
} from '../../../../pipelines/contract/object-keys.ts'
import { forger, type Signed } from '../../../fakes/forger.ts'
import { CODE, manifestOf } from '../../../fakes/node-fleet.ts'
import { tablesOf, testElf } from '../../../fakes/test-elf.ts'
import { eachTestAt, fleet, refused } from './refusal.ts'

/** Every offset takes a pass of the agent: by default a sample of them. */
const DEEP = process.env['HEDDLE_DEEP'] === '1'
const SAMPLES = DEEP ? 100 : 2

eachTestAt(5)

function object(key: string): Uint8Array {
  const bytes = fleet.store.objects.get(key)
  assert.ok(bytes, `no ${key}`)
  return bytes
}

async function releaseTwo(): Promise<{ artifact: Digest; elf: Uint8Array }> {
  const artifact = await fleet.artifact('two')
  await fleet.published.release('canary', 6, artifact)
  return { artifact, elf: testElf(CODE, 'two') }
}

test('tampered at any offset: the program', async () => {
  const { elf } = await releaseTwo()
  for (let at = 0; at < elf.length; at += DEEP ? 7 : 151) {
    const bad = elf.slice()
    bad[at] = (bad[at] ?? 0) ^ (1 << (at % 8))
    fleet.store.objects.set(blobKey(sha256(elf)), bad)
    await refused('artifact-tampered')
  }
  fleet.store.objects.set(blobKey(sha256(elf)), elf)
  assert.equal((await fleet.pass()).outcome, 'enforced')
})

test('tampered at any offset: manifest, provenance, release and code target', async () => {
  const { artifact } = await releaseTwo()
  const { role } = forger(fleet)
  const hashOf = (name: string, path: string): string => role(name).targets[path].hashes.sha256
  const keys = [
    targetKey(policyTarget(artifact), hexOf(artifact)),
    blobKey(role('policy').targets[policyTarget(artifact)].custom.provenance),
    targetKey(releaseTarget('canary'), hashOf('release', releaseTarget('canary'))),
    targetKey(codeTarget('small'), hashOf('code', codeTarget('small'))),
  ]
  for (const key of keys) {
    const good = object(key)
    for (let sample = 0; sample < SAMPLES; sample++) {
      const bad = good.slice()
      const at = Math.floor((sample * good.length) / SAMPLES)
      bad[at] = (bad[at] ?? 0) ^ 1
      fleet.store.objects.set(key, bad)
      await refused('artifact-tampered')
    }
    fleet.store.objects.set(key, good)
  }
})

test('substituted after the metadata: another good program, a shorter one, none', async () => {
  const { elf } = await releaseTwo()
  const key = blobKey(sha256(elf))
  fleet.store.objects.set(key, testElf(CODE, 'one'))
  await refused('artifact-tampered')
  fleet.store.objects.set(key, elf.slice(0, -1))
  await refused('artifact-tampered')
  fleet.store.objects.delete(key)
  await refused('artifact-missing')
})

test('endless data: a program longer than the manifest says', async () => {
  const { elf } = await releaseTwo()
  fleet.store.objects.set(blobKey(sha256(elf)), new Uint8Array(elf.length + 1))
  await refused('store-too-large')
})

test('endless data: a signed manifest that names a program of a terabyte', async () => {
  const elf = testElf(CODE, 'two')
  const artifact = await fleet.artifact('two', { elf: { digest: sha256(elf), bytes: 10 ** 12 } })
  await fleet.published.release('canary', 6, artifact)
  await refused('store-too-large')
})

test('stolen director key: it can only choose what the builder has signed', async () => {
  await fleet.published.release('canary', 6, `sha256:${'a'.repeat(64)}`)
  await refused('artifact-untrusted')
})

test('stolen builder key: new code is not signed by the code key', async () => {
  const elf = testElf('evil program', 'two')
  const artifact = await fleet.published.publishArtifact(manifestOf(elf), elf)
  await fleet.published.release('canary', 6, artifact)
  await refused('code-untrusted')
})

test('stolen builder key: new code under the digest of the signed code', async () => {
  const elf = testElf('evil program', 'two')
  const code = manifestOf(testElf(CODE, '')).code
  const artifact = await fleet.published.publishArtifact(manifestOf(elf, { code }), elf)
  await fleet.published.release('canary', 6, artifact)
  await refused('code-untrusted')
})

test('stolen builder key: a variant that nobody has signed', async () => {
  const { digest } = manifestOf(testElf(CODE, '')).code
  await fleet.published.release(
    'canary',
    6,
    await fleet.artifact('two', { code: { variant: 'big', digest } }),
  )
  await refused('code-untrusted')
})

test('a manifest that lies about its tables', async () => {
  const tables = { digest: tablesOf(testElf(CODE, 'one')) as Digest, words: 4 }
  await fleet.published.release('canary', 6, await fleet.artifact('two', { tables }))
  await refused('artifact-tampered')
})

test('a policy target whose name is not its digest', async () => {
  const two = await fleet.artifact('two')
  const name = policyTarget(`sha256:${'b'.repeat(64)}`)
  await forger(fleet).putRole('policy', (signed: Signed) => {
    signed.targets[name] = signed.targets[policyTarget(two)]
  })
  await fleet.published.release('canary', 6, `sha256:${'b'.repeat(64)}`)
  await refused('artifact-untrusted')
})

test('a release in the policy role, a manifest in the release role: nobody speaks for another folder', async () => {
  const two = await fleet.artifact('two')
  const { putRole, role } = forger(fleet)
  const listed = role('policy').targets[policyTarget(two)]
  await putRole('policy', (signed: Signed) => {
    delete signed.targets[policyTarget(two)]
  })
  await putRole('release', (signed: Signed) => {
    signed.targets[policyTarget(two)] = listed
  })
  await fleet.published.release('canary', 6, two)
  await refused('artifact-untrusted')
})

test('right artifact, wrong ABI: in the metadata and in the manifest', async () => {
  const two = await fleet.artifact('two', { abi: 2 })
  await fleet.published.release('canary', 6, two)
  await refused('abi-mismatch')
  await forger(fleet).putRole('policy', (signed: Signed) => {
    signed.targets[policyTarget(two)].custom.abi = 1
  })
  await refused('abi-mismatch')
})

test('right artifact, wrong kernel', async () => {
  const kernel: Manifest['kernel'] = { minimum: '6.19', arch: 'bpfel', hooks: [] }
  await fleet.published.release('canary', 6, await fleet.artifact('two', { kernel }))
  await refused('kernel-too-old')
  fleet.kernel.release = '7.0.1-arch'
  fleet.kernel.missing = ['sockops']
  await refused('kernel-too-old')
  fleet.kernel.missing = []
  assert.equal((await fleet.pass()).outcome, 'enforced')
})

test('right artifact, wrong hook', async () => {
  const kernel: Manifest['kernel'] = { minimum: '6.1', arch: 'bpfel', hooks: ['sk_msg', 'xdp'] }
  await fleet.published.release('canary', 6, await fleet.artifact('two', { kernel }))
  await refused('abi-mismatch')
})

test('right artifact, wrong architecture', async () => {
  const kernel = { minimum: '6.1', arch: 'bpfeb', hooks: [] } as unknown as Manifest['kernel']
  await fleet.published.release('canary', 6, await fleet.artifact('two', { kernel }))
  await refused('artifact-untrusted')
})

test('the fake program tells code and tables apart', () => {
  assert.equal(digestsOf(testElf(CODE, 'one')).code, digestsOf(testElf(CODE, 'two')).code)
  assert.notEqual(digestsOf(testElf(CODE, 'one')).tables, digestsOf(testElf(CODE, 'two')).tables)
  assert.equal(digestsOf(testElf(CODE, 'one')).tables, tablesOf(testElf(CODE, 'one')))
})
