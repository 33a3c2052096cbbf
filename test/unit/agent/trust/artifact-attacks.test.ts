/** Attacks behind good metadata: the release, its order, the artifact and where it came from. */
import assert from 'node:assert/strict'
import { afterEach, beforeEach, test } from 'node:test'
import { sha256 } from '../../../../agent/cache.ts'
import { digestsOf } from '../../../../agent/trust/code.ts'
import { encode } from '../../../../functions/trust/metadata.ts'
import { signStatement } from '../../../../functions/trust/statements.ts'
import type { Digest, Manifest } from '../../../../pipelines/contract/artifact.ts'
import { PAYLOAD_TYPES } from '../../../../pipelines/contract/dsse.ts'
import {
  blobKey,
  codeTarget,
  hexOf,
  policyTarget,
  releaseTarget,
  successTarget,
  targetKey,
} from '../../../../pipelines/contract/object-keys.ts'
import type { RingSuccess } from '../../../../pipelines/contract/release.ts'
import { forger, type Signed } from '../../../fakes/forger.ts'
import { CODE, type Fleet, manifestOf, nodeFleet } from '../../../fakes/node-fleet.ts'
import { tablesOf, testElf } from '../../../fakes/test-elf.ts'

/** Every offset takes a pass of the agent: by default a sample of them. */
const DEEP = process.env['HEDDLE_DEEP'] === '1'
const SAMPLES = DEEP ? 100 : 4

let fleet: Fleet
let one: Digest
beforeEach(async () => {
  fleet = await nodeFleet()
  one = await fleet.artifact('one')
  await fleet.published.release('canary', 5, one)
  assert.equal((await fleet.pass()).outcome, 'enforced')
})
afterEach(() => fleet.close())

/** A pass of a freshly started agent refuses by this code, loads nothing, and release 5 goes on. */
async function refused(code: string, options: Parameters<Fleet['pass']>[0] = {}): Promise<void> {
  const calls = fleet.kernel.calls.length
  const active = structuredClone(fleet.kernel.content.active)
  const report = await fleet.pass(options)
  assert.equal(report.failure?.code, code, report.failure?.message)
  assert.notEqual(report.outcome, 'enforced')
  assert.deepEqual(fleet.kernel.content.active, active)
  const loads = fleet.kernel.calls.slice(calls).filter((call) => /^(stage|flip|install)/.test(call))
  assert.deepEqual(loads, [])
}

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

test('rollback: a release with a lower number, also after a restart', async () => {
  await fleet.published.release('canary', 4, await fleet.artifact('old'))
  await refused('release-replayed')
  await refused('release-replayed')
})

test('rollback: the accepted number again with another artifact', async () => {
  await fleet.published.release('canary', 5, await fleet.artifact('other'))
  await refused('release-replayed')
})

test('rollback: a number that was accepted but never ran binds as well', async () => {
  fleet.kernel.rejecting = true
  await fleet.published.release('canary', 9, await fleet.artifact('heavy'))
  assert.equal((await fleet.pass()).failure?.code, 'verifier-rejected')
  fleet.kernel.rejecting = false
  await fleet.published.release('canary', 8, await fleet.artifact('light'))
  await refused('release-replayed')
})

test('wrong ring: a release of another ring under our name', async () => {
  await fleet.published.release('canary', 6, await fleet.artifact('two'), { ring: 'prod' })
  await refused('release-wrong-ring')
})

test('a release that is malformed', async () => {
  const wrong = { schema: 'heddle.release/2' } as unknown as Record<string, never>
  await fleet.published.release('canary', 6, one, wrong)
  await refused('artifact-untrusted')
})

test('tampered at any offset: the program', async () => {
  const { elf } = await releaseTwo()
  for (let at = 0; at < elf.length; at += DEEP ? 7 : 61) {
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

/** Put other bytes in the place of artifact two's provenance, listed by the policy role. */
async function withProvenance(envelope: Uint8Array): Promise<void> {
  const { artifact } = await releaseTwo()
  fleet.store.objects.set(blobKey(sha256(envelope)), envelope)
  await forger(fleet).putRole('policy', (signed: Signed) => {
    signed.targets[policyTarget(artifact)].custom.provenance = sha256(envelope)
  })
}

function provenanceOf(artifact: Digest): Uint8Array {
  const { role } = forger(fleet)
  return object(blobKey(role('policy').targets[policyTarget(artifact)].custom.provenance))
}

test('provenance of another artifact', async () => {
  await withProvenance(provenanceOf(one))
  await refused('provenance-untrusted')
})

test('provenance by another key', async () => {
  const { artifact } = await releaseTwo()
  const { payload } = JSON.parse(Buffer.from(provenanceOf(artifact)).toString())
  const statement = JSON.parse(Buffer.from(payload, 'base64').toString())
  const { keys } = fleet.published
  await withProvenance(await signStatement(PAYLOAD_TYPES.provenance, statement, keys.release))
  await refused('provenance-untrusted')
})

test('provenance that is no envelope', async () => {
  await withProvenance(encode({ hello: 'world' }))
  await refused('provenance-untrusted')
})

test('payload-type confusion: provenance signed as a ring success', async () => {
  const { artifact } = await releaseTwo()
  const { payload } = JSON.parse(Buffer.from(provenanceOf(artifact)).toString())
  const statement = JSON.parse(Buffer.from(payload, 'base64').toString())
  const { keys } = fleet.published
  const envelope = await signStatement(PAYLOAD_TYPES.ringSuccess, statement, keys.policy)
  await withProvenance(envelope)
  await refused('provenance-untrusted')
})

test('payload-type confusion: the type relabelled after signing', async () => {
  const { artifact } = await releaseTwo()
  const { payload } = JSON.parse(Buffer.from(provenanceOf(artifact)).toString())
  const statement = JSON.parse(Buffer.from(payload, 'base64').toString())
  const { keys } = fleet.published
  const envelope = await signStatement(PAYLOAD_TYPES.ringSuccess, statement, keys.policy)
  const relabelled = {
    ...JSON.parse(Buffer.from(envelope).toString()),
    payloadType: PAYLOAD_TYPES.provenance,
  }
  await withProvenance(encode(relabelled))
  await refused('provenance-untrusted')
})

const prod = { ring: 'prod', previousRing: 'canary' }

test('out-of-order ring: no release before the ring before has succeeded with this very one', async () => {
  const two = await fleet.artifact('two')
  await fleet.published.release('prod', 6, two)
  await refused('release-out-of-order', prod)
  await fleet.published.succeed('canary', 5, one)
  await refused('release-out-of-order', prod)
  await fleet.published.succeed('canary', 6, one)
  await refused('release-out-of-order', prod)
  await fleet.published.succeed('canary', 6, two, { ring: 'prod' })
  await refused('release-out-of-order', prod)
  await fleet.published.succeed('canary', 6, two)
  assert.equal((await fleet.pass(prod)).outcome, 'enforced')
})

/** A success of canary with release 6, signed as the test says. */
async function putSuccess(make: (statement: RingSuccess) => Promise<Uint8Array>): Promise<void> {
  const two = await fleet.artifact('two')
  await fleet.published.release('prod', 6, two)
  const statement: RingSuccess = {
    schema: 'heddle.ring-success/1',
    ring: 'canary',
    number: 6,
    artifact: two,
    rollout: 'rollout-6',
    nodes: ['node-0'],
  }
  const bytes = await make(statement)
  const target = { path: successTarget('canary'), bytes }
  await fleet.published.repository.update(() => ({ release: { put: [target] } }))
}

test('out-of-order ring: a success signed by the builder', async () => {
  const { keys } = fleet.published
  await putSuccess((statement) => signStatement(PAYLOAD_TYPES.ringSuccess, statement, keys.policy))
  await refused('artifact-untrusted', prod)
})

test('out-of-order ring: a success signed as provenance', async () => {
  const { keys } = fleet.published
  await putSuccess((statement) => signStatement(PAYLOAD_TYPES.provenance, statement, keys.release))
  await refused('artifact-untrusted', prod)
})

test('the fake program tells code and tables apart', () => {
  assert.equal(digestsOf(testElf(CODE, 'one')).code, digestsOf(testElf(CODE, 'two')).code)
  assert.notEqual(digestsOf(testElf(CODE, 'one')).tables, digestsOf(testElf(CODE, 'two')).tables)
  assert.equal(digestsOf(testElf(CODE, 'one')).tables, tablesOf(testElf(CODE, 'one')))
})
