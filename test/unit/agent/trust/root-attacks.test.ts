/** Attacks on who may sign: rotation of the root, and the shape of delegations. */
import assert from 'node:assert/strict'
import { afterEach, beforeEach, test } from 'node:test'
import type { Digest } from '../../../../pipelines/contract/artifact.ts'
import { addKey, forger, freshSigner, type Signed } from '../../../fakes/forger.ts'
import type { Fleet } from '../../../fakes/node-fleet.ts'
import { assertRefused, fleetAt } from './refusal.ts'

let fleet: Fleet
let two: Digest
beforeEach(async () => {
  ;({ fleet } = await fleetAt(1))
  two = await fleet.artifact('two')
})
afterEach(() => fleet.close())

const refused = (code: string) => assertRefused(fleet, code)

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

test('root rotation: a version that skips one is refused', async () => {
  const { keys, putRoot } = forger(fleet)
  await putRoot(keys.root.signers, (signed: Signed) => {
    signed.version++
  })
  await refused('metadata-rollback')
})

test('fast-forward: after the root has rotated a stolen timestamp key, its huge version binds nobody', async () => {
  const { keys, putRoot, putTimestamp } = forger(fleet)
  await putTimestamp((signed) => {
    signed.version = 1_000_000_000
  })
  assert.equal((await fleet.pass()).outcome, 'unchanged')
  const timestamp = freshSigner()
  await putRoot(keys.root.signers, (signed: Signed) => {
    signed.roles.timestamp.keyids = [addKey(signed.keys, timestamp)]
  })
  await putTimestamp(
    (signed) => {
      signed.version = 7
    },
    [timestamp],
  )
  assert.equal((await fleet.pass()).outcome, 'unchanged')
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
      signed.delegations.roles.push({ ...signed.delegations.roles[0], name: '../../etc/passwd' })
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
