/** Attacks on the metadata itself: who signed, how old, which of several. */
import assert from 'node:assert/strict'
import { afterEach, beforeEach, test } from 'node:test'
import { tufKey } from '../../../../functions/trust/keys.ts'
import type { Digest } from '../../../../pipelines/contract/artifact.ts'
import { metadataKey } from '../../../../pipelines/contract/object-keys.ts'
import { addKey, forger, freshSigner, type Signed, signJson } from '../../../fakes/forger.ts'
import { type Fleet, nodeFleet } from '../../../fakes/node-fleet.ts'

const HOUR = 3_600_000
const SAMPLES = process.env['HEDDLE_DEEP'] === '1' ? 100 : 4
let fleet: Fleet
let one: Digest
let two: Digest
beforeEach(async () => {
  fleet = await nodeFleet()
  one = await fleet.artifact('one')
  await fleet.published.release('canary', 1, one)
  assert.equal((await fleet.pass()).outcome, 'enforced')
  two = await fleet.artifact('two')
})
afterEach(() => fleet.close())

/** The pass refuses by this code, loads nothing, and release 1 goes on. */
async function refused(code: string): Promise<void> {
  const calls = fleet.kernel.calls.length
  const active = structuredClone(fleet.kernel.content.active)
  const report = await fleet.pass()
  assert.equal(report.failure?.code, code, report.failure?.message)
  assert.equal(report.generation, 1)
  assert.deepEqual(fleet.kernel.content.active, active)
  const loads = fleet.kernel.calls.slice(calls).filter((call) => /^(stage|flip|install)/.test(call))
  assert.deepEqual(loads, [])
}

for (const role of ['targets', 'code', 'policy', 'release'] as const) {
  test(`wrong key: ${role} metadata signed by a stranger`, async () => {
    await fleet.published.release('canary', 2, two)
    await forger(fleet).putRoleAs(role, [freshSigner()], () => {})
    await refused('metadata-untrusted')
  })
}

test('wrong key: snapshot metadata signed by a stranger', async () => {
  await forger(fleet).putSnapshot(() => {}, [freshSigner()])
  await refused('metadata-untrusted')
})

test('wrong key: timestamp metadata signed by a stranger', async () => {
  await forger(fleet).putTimestamp(() => {}, [freshSigner()])
  await refused('metadata-untrusted')
})

test('wrong key: every delegated role signing in the place of another', async () => {
  const { keys, putRoleAs } = forger(fleet)
  await putRoleAs('release', keys.policy.signers, () => {})
  await refused('metadata-untrusted')
})

test('unsigned: metadata with no signature at all', async () => {
  await forger(fleet).putRoleAs('release', [], () => {})
  await refused('metadata-untrusted')
})

test('threshold met twice by one key: its signature twice in the list', async () => {
  const { keys, putRole, role, write, putSnapshot } = forger(fleet)
  const second = freshSigner()
  await putRole('targets', (signed: Signed) => {
    const delegated = signed.delegations.roles.find(({ name }: Signed) => name === 'release')
    delegated.keyids.push(addKey(signed.delegations.keys, second))
    delegated.threshold = 2
  })
  const signed = role('release')
  signed.version++
  const bytes = await signJson(signed, [...keys.release.signers, ...keys.release.signers])
  write(`${signed.version}.release.json`, bytes)
  await putSnapshot((snapshot) => {
    snapshot.meta['release.json'] = { version: signed.version }
  })
  await refused('metadata-untrusted')
})

test('threshold met twice by one key: the same key under two ids', async () => {
  const { keys, putRole } = forger(fleet)
  await putRole('targets', (signed: Signed) => {
    const [signer] = keys.release.signers
    assert.ok(signer)
    signed.delegations.keys['f'.repeat(64)] = tufKey(signer.publicKey).toJSON()
    const delegated = signed.delegations.roles.find(({ name }: Signed) => name === 'release')
    delegated.keyids.push('f'.repeat(64))
  })
  await refused('metadata-untrusted')
})

test('a key of small order in a delegation', async () => {
  await forger(fleet).putRole('targets', (signed: Signed) => {
    const id = 'e'.repeat(64)
    const weak = { keytype: 'ed25519', scheme: 'ed25519', keyval: { public: `01${'00'.repeat(31)}` } }
    signed.delegations.keys[id] = weak
    signed.delegations.roles[0].keyids.push(id)
  })
  await refused('metadata-untrusted')
})

test('tampered: any byte of any metadata file changed', async () => {
  await fleet.published.release('canary', 2, two)
  const { objects, snapshot, read } = forger(fleet)
  const files = ['timestamp.json', `${read('timestamp.json').meta['snapshot.json'].version}.snapshot.json`]
  files.push(`${snapshot().meta['release.json'].version}.release.json`)
  for (const file of files) {
    const good = objects.get(metadataKey(file))
    assert.ok(good)
    for (let sample = 0; sample < SAMPLES; sample++) {
      const bad = good.slice()
      const at = Math.floor((sample * good.length) / SAMPLES)
      bad[at] = (bad[at] ?? 0) ^ 1
      objects.set(metadataKey(file), bad)
      const report = await fleet.pass()
      // A flipped bit inside a signature's hex may leave it valid JSON, never a valid signature.
      assert.ok(report.failure !== null, `${file} byte ${at} was accepted`)
      assert.equal(report.generation, 1)
    }
    objects.set(metadataKey(file), good)
  }
})

test('rollback: an older timestamp is served again, also after a restart', async () => {
  const { objects } = forger(fleet)
  const old = objects.get(metadataKey('timestamp.json'))
  await fleet.published.release('canary', 2, two)
  assert.equal((await fleet.pass()).outcome, 'enforced')
  assert.ok(old)
  objects.set(metadataKey('timestamp.json'), old)
  for (const when of ['at once', 'after a restart']) {
    const report = await fleet.pass()
    assert.equal(report.failure?.code, 'metadata-rollback', when)
    assert.equal(report.generation, 2)
  }
})

test('stolen online key: a new snapshot that names an older release role', async () => {
  await fleet.published.release('canary', 2, two)
  assert.equal((await fleet.pass()).outcome, 'enforced')
  await forger(fleet).putSnapshot((snapshot) => {
    snapshot.meta['release.json'] = { version: snapshot.meta['release.json'].version - 1 }
  })
  const report = await fleet.pass()
  assert.equal(report.failure?.code, 'metadata-rollback')
  assert.equal(report.generation, 2)
})

test('stolen online key: a role left out of the snapshot', async () => {
  await forger(fleet).putSnapshot((snapshot) => {
    delete snapshot.meta['policy.json']
  })
  await refused('metadata-untrusted')
})

test('mix-and-match: the release role of yesterday under the name of today', async () => {
  const { objects, snapshot } = forger(fleet)
  const before = snapshot().meta['release.json'].version
  await fleet.published.release('canary', 2, two)
  const after = snapshot().meta['release.json'].version
  const old = objects.get(metadataKey(`${before}.release.json`))
  assert.ok(old)
  objects.set(metadataKey(`${after}.release.json`), old)
  await refused('metadata-untrusted')
})

test('freeze: expired metadata brings nothing new, and what runs goes on and is kept right', async () => {
  await fleet.published.release('canary', 2, two)
  fleet.clock.advance(13 * HOUR)
  await refused('metadata-expired')
  fleet.kernel.content.active = null
  const report = await fleet.pass()
  assert.equal(report.failure?.code, 'metadata-expired')
  assert.notEqual(fleet.kernel.content.active, null)
})

test('freeze: an expired role behind a fresh timestamp', async () => {
  await forger(fleet).putRole('release', (signed: Signed) => {
    signed.expires = '2026-11-22T00:00:00Z'
  })
  await refused('metadata-expired')
})

test('freeze: an expired root ends everything new', async () => {
  const { keys, putRoot } = forger(fleet)
  await putRoot(keys.root.signers, (signed: Signed) => {
    signed.expires = '2026-11-22T00:00:00Z'
  })
  await refused('metadata-expired')
})

test('clock set back: metadata that has expired once stays expired, also after a restart', async () => {
  const { objects } = forger(fleet)
  fleet.clock.advance(11 * HOUR)
  await fleet.published.repository.refresh()
  assert.equal((await fleet.pass()).outcome, 'unchanged')
  fleet.clock.advance(11 * HOUR)
  await fleet.published.repository.refresh()
  assert.equal((await fleet.pass()).outcome, 'unchanged')
  // The mirror freezes, and the clock goes back to where that metadata was fresh.
  const { putTimestamp } = forger(fleet)
  await putTimestamp((signed) => {
    signed.expires = '2026-11-23T12:00:00Z'
  })
  assert.ok(objects.size > 0)
  fleet.clock.advance(-20 * HOUR)
  await refused('clock-set-back')
  await refused('clock-set-back')
})

test('a clock that starts at zero is taken for the floor', async () => {
  await fleet.published.release('canary', 2, two)
  fleet.clock.advance(-fleet.clock.now().getTime())
  assert.equal((await fleet.pass()).outcome, 'enforced')
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

test('endless data: a timestamp without end', async () => {
  forger(fleet).write('timestamp.json', new Uint8Array(1 << 20))
  await refused('store-too-large')
})

test('endless data: a stolen online key names a huge length for a role', async () => {
  const { putSnapshot, write, snapshot } = forger(fleet)
  const version = snapshot().meta['policy.json'].version + 1
  write(`${version}.policy.json`, new Uint8Array(9 << 20))
  await putSnapshot((signed) => {
    signed.meta['policy.json'] = { version, length: 10 ** 12 }
  })
  await refused('store-too-large')
})

test('a store that is gone or empty is a retry, and what runs goes on', async () => {
  fleet.store.objects.clear()
  await refused('store-unavailable')
})
