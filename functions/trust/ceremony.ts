/** The ceremony: what the offline keys sign once, before any machine may deliver anything. */
import { Metadata, Root, Targets } from '@tufjs/models'
import { DELEGATED_ROLES, metadataKey } from '../../pipelines/contract/object-keys.ts'
import type { Clock, ObjectStore } from '../ports.ts'
import { tufKey } from './keys.ts'
import { expiry, SPEC_VERSION, sign } from './metadata.ts'
import { firstCommit, type Target } from './repository.ts'
import { type AllKeys, LIFETIME_MS, type RoleKeys, TOP_ROLES } from './roles.ts'

type JsonObject = ReturnType<Root['toJSON']>

/**
 * Makes an empty repository with its root, its delegations and the code targets. Run again after a
 * crash it goes on; on a repository that is there it changes nothing. Returns the root to pin.
 */
export async function initRepository(
  store: ObjectStore,
  keys: AllKeys,
  code: readonly Target[],
  clock: Clock,
): Promise<Uint8Array> {
  const now = clock.now()
  const root = await sign(rootMetadata(keys, now), keys.root)
  await store.create(metadataKey('1.root.json'), root)
  await firstCommit(store, keys, clock, { targets: targetsMetadata(keys, now), code })
  const pinned = await store.get(metadataKey('1.root.json'), root.length * 2)
  return pinned?.bytes ?? root
}

function rootMetadata(keys: AllKeys, now: Date): Metadata<Root> {
  const all: Record<string, JsonObject> = {}
  const roles: Record<string, JsonObject> = {}
  for (const role of TOP_ROLES) roles[role] = enrol(keys[role], all)
  return new Metadata(
    Root.fromJSON({
      _type: 'root',
      version: 1,
      spec_version: SPEC_VERSION,
      expires: expiry(now, LIFETIME_MS.root),
      consistent_snapshot: true,
      keys: all,
      roles,
    }),
  )
}

/** Terminating and by disjoint paths: no diamond, so that no role can answer for another's target. */
function targetsMetadata(keys: AllKeys, now: Date): Targets {
  const all: Record<string, JsonObject> = {}
  const roles = DELEGATED_ROLES.map((name) => ({
    name,
    terminating: true,
    paths: [`${name}/*`],
    ...enrol(keys[name], all),
  }))
  return Targets.fromJSON({
    _type: 'targets',
    version: 1,
    spec_version: SPEC_VERSION,
    expires: expiry(now, LIFETIME_MS.targets),
    targets: {},
    delegations: { keys: all, roles },
  })
}

/** Adds a role's public keys. A key given twice counts once, so it can't meet a threshold alone. */
function enrol(keys: RoleKeys, all: Record<string, JsonObject>): { keyids: string[]; threshold: number } {
  const keyids = new Set<string>()
  for (const signer of keys.signers) {
    const key = tufKey(signer.publicKey)
    all[key.keyID] = key.toJSON()
    keyids.add(key.keyID)
  }
  if (keys.threshold < 1 || keyids.size < keys.threshold) {
    throw new RangeError(`${keyids.size} keys can't meet a threshold of ${keys.threshold}`)
  }
  return { keyids: [...keyids], threshold: keys.threshold }
}
