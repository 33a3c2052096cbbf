/** Attacks on who may sign: rotation of the root, and the shape of delegations. */
import assert from 'node:assert/strict'
import { beforeEach, test } from 'node:test'
import type { Signer } from '../../../../functions/ports.ts'
import { keyIdOf } from '../../../../functions/trust/keys.ts'
import type { Digest } from '../../../../pipelines/contract/artifact.ts'
import { metadataKey } from '../../../../pipelines/contract/object-keys.ts'
import { addKey, forger, freshSigner, type Signed, signJson } from '../../../fakes/forger.ts'
import { eachTestAt, fleet, refused } from './refusal.ts'

eachTestAt(1)
let two: Digest
beforeEach(async () => {
  two = await fleet.artifact('two')
})

test('root rotation: signed by the old and the new keys it is followed', async () => {
  const { keys, putRoot, putTimestamp } = forger(fleet)
  const [root, timestamp] = [freshSigner(), freshSigner()]
  await putRoot([...keys.root.signers, root], (signed: Signed) => {
    signed.roles.root.keyids = [addKey(signed.keys, root)]
    signed.roles.timestamp.keyids = [addKey(signed.keys, timestamp)]
  })
  await putTimestamp(() => {}, [timestamp])
  assert.equal((await fleet.pass()).outcome, 'unchanged')
  // The rotated key is worth nothing any more.
  await putTimestamp(() => {}, keys.timestamp.signers)
  await refused('metadata-untrusted')
})

test('root rotation: signed by the new keys only it is refused', async () => {
  const root = freshSigner()
  await forger(fleet).putRoot([root], (signed: Signed) => {
    signed.roles.root.keyids = [addKey(signed.keys, root)]
  })
  await refused('metadata-untrusted')
})

test('root rotation: signed by the old keys only, not by those that it names, is refused', async () => {
  const { keys, putRoot } = forger(fleet)
  await putRoot(keys.root.signers, (signed: Signed) => {
    signed.roles.root.keyids = [addKey(signed.keys, freshSigner())]
  })
  await refused('metadata-untrusted')
})

test('root rotation: a version that skips one is refused', async () => {
  const { keys, putRoot } = forger(fleet)
  await putRoot(keys.root.signers, (signed: Signed) => {
    signed.version++
  })
  await refused('metadata-rollback')
})

test('rollback: the root of yesterday under the name of tomorrow', async () => {
  const { objects, keys, putRoot } = forger(fleet)
  const old = objects.get(metadataKey('1.root.json'))
  assert.ok(old)
  objects.set(metadataKey('2.root.json'), old)
  await refused('metadata-rollback')
  objects.delete(metadataKey('2.root.json'))
  await putRoot(keys.root.signers, () => {})
  assert.equal((await fleet.pass()).outcome, 'unchanged')
  objects.set(metadataKey('3.root.json'), old)
  await refused('metadata-rollback')
})

test('rollback: a rotation that is hidden again does not bring the stolen key back', async () => {
  const { objects, keys, putTimestamp, rotateTimestamp } = forger(fleet)
  await rotateTimestamp()
  assert.equal((await fleet.pass()).outcome, 'unchanged')
  objects.delete(metadataKey('2.root.json'))
  await putTimestamp(() => {}, keys.timestamp.signers)
  await refused('metadata-untrusted')
})

/** From here on the root wants two keys; the second one. */
async function wantTwo(): Promise<Signer> {
  const second = freshSigner()
  const { keys, putRoot } = forger(fleet)
  await putRoot([...keys.root.signers, second], (signed: Signed) => {
    signed.roles.root.keyids.push(addKey(signed.keys, second))
    signed.roles.root.threshold = 2
  })
  assert.equal((await fleet.pass()).outcome, 'unchanged')
  return second
}

test('root rotation: fewer of the old keys than their threshold are refused', async () => {
  const second = await wantTwo()
  const { putRoot, keys, objects } = forger(fleet)
  const lowered = (signed: Signed) => {
    signed.roles.root.threshold = 1
  }
  for (const signers of [keys.root.signers, [second]]) {
    await putRoot(signers, lowered)
    await refused('metadata-untrusted')
    objects.delete(metadataKey('3.root.json'))
  }
  await putRoot([...keys.root.signers, second], lowered)
  assert.equal((await fleet.pass()).outcome, 'unchanged')
})

test('threshold met twice by one key: a root that lists its signature twice, or the key under two ids', async () => {
  const second = await wantTwo()
  const { putRoot, keys, objects } = forger(fleet)
  const [first] = keys.root.signers
  assert.ok(first)
  await putRoot([first, first], () => {})
  await refused('metadata-untrusted')
  const root = JSON.parse(Buffer.from(objects.get(metadataKey('3.root.json')) ?? []).toString())
  const alias = 'f'.repeat(64)
  root.signed.keys[alias] = root.signed.keys[keyIdOf(first.publicKey)]
  root.signed.roles.root.keyids.push(alias)
  // Also where the old threshold is met honestly: a root that one key can follow alone from now on.
  for (const signers of [[first], [first, second]]) {
    const again = JSON.parse(Buffer.from(await signJson(root.signed, signers)).toString())
    again.signatures.push({ ...again.signatures[0], keyid: alias })
    objects.set(metadataKey('3.root.json'), Buffer.from(JSON.stringify(again)))
    await refused('metadata-untrusted')
  }
})

const delegation = (name: string, keyids: string[]) => ({
  name,
  keyids,
  threshold: 1,
  terminating: true,
  paths: [`${name}/*`],
})
const shapes: [string, 'targets' | 'code' | 'policy', (signed: Signed) => void][] = [
  [
    'diamond: two roles delegate to one',
    'policy',
    (signed) => {
      signed.delegations = { keys: {}, roles: [{ ...delegation('release', []), paths: ['policy/*'] }] }
    },
  ],
  [
    'cycle: a role delegates to itself',
    'policy',
    (signed) => {
      signed.delegations = { keys: {}, roles: [{ ...delegation('policy', []), paths: ['policy/*'] }] }
    },
  ],
  [
    'cycle: a role delegates back to targets',
    'code',
    (signed) => {
      signed.delegations = { keys: {}, roles: [{ ...delegation('targets', []), paths: ['*'] }] }
    },
  ],
  [
    'diamond: one role delegated to twice',
    'targets',
    (signed) => {
      signed.delegations.roles.push({ ...signed.delegations.roles[0] })
    },
  ],
  [
    'a role with an odd name',
    'targets',
    (signed) => {
      const name = '../../etc/passwd'
      signed.delegations.roles.push({ ...signed.delegations.roles[0], name, paths: [`${name}/*`] })
    },
  ],
  [
    'a role missing',
    'targets',
    (signed) => {
      signed.delegations.roles.pop()
    },
  ],
  [
    'a delegation that does not terminate',
    'targets',
    (signed) => {
      signed.delegations.roles[0].terminating = false
    },
  ],
  [
    'a delegation that covers the folder of another',
    'targets',
    (signed) => {
      signed.delegations.roles[1].paths = ['policy/*', 'code/*']
    },
  ],
  [
    'no delegation at all',
    'targets',
    (signed) => {
      delete signed.delegations
    },
  ],
]
for (const [name, role, change] of shapes) {
  test(`delegations: ${name}`, async () => {
    await fleet.published.release('canary', 2, two)
    await forger(fleet).putRole(role, change)
    await refused('metadata-untrusted')
  })
}
