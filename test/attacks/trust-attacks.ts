/** Attacks on metadata and keys. */
import type { Attack, Cut } from './attack.ts'

const METADATA = 'unit/agent/trust/metadata-attacks'
const FRESHNESS = 'unit/agent/trust/freshness-attacks'
const ROOT = 'unit/agent/trust/root-attacks'
const FAST_FORWARD = 'unit/agent/trust/fast-forward'
const TUF_STORE = 'node_modules/tuf-js/dist/store.js'
const TUF_UPDATER = 'node_modules/tuf-js/dist/updater.js'
const TUF_METADATA = 'node_modules/@tufjs/models/dist/metadata.js'
const STAR = 'agent/trust/star.ts'

/** Signatures are verified; enough of them are there. */
const verifies: Cut = { in: TUF_METADATA, cut: 'key.verifySignature(delegatedMetadata);', put: '' }
const counts: Cut = { in: TUF_METADATA, cut: 'if (signingKeys.size < role.threshold)', put: 'if (false)' }
const onceSigned: Cut = { in: TUF_METADATA, cut: 'if (sigMap[sig.keyID])', put: 'if (false)' }
const distinct: Cut = {
  in: 'agent/trust/keys.ts',
  cut: 'if (seen.has(hex))',
  put: 'if (false)',
}
const sameHash: Cut = { in: TUF_STORE, cut: 'meta.verify(bytesBuffer);', put: '' }
const sameRoleVersion: Cut = { in: TUF_STORE, cut: 'if (version != meta.version)', put: 'if (false)' }
const oldRootSigns: Cut = {
  in: TUF_STORE,
  cut: 'this.root.verifyDelegate(models_1.MetadataKind.Root, newRoot);',
  put: '',
}
const newRootSigns: Cut = {
  in: TUF_STORE,
  cut: 'newRoot.verifyDelegate(models_1.MetadataKind.Root, newRoot);',
  put: '',
}
const nextRoot: Cut = {
  in: TUF_STORE,
  cut: 'if (newRoot.signed.version != this.root.signed.version + 1)',
  put: 'if (false)',
}
const timestampExpires: Cut = {
  in: TUF_STORE,
  cut: 'if (this.timestamp.signed.isExpired(this.referenceTime))',
  put: 'if (false)',
}
const snapshotExpires: Cut = {
  in: TUF_STORE,
  cut: 'if (this.snapshot.signed.isExpired(this.referenceTime))',
  put: 'if (false)',
}
const roleExpires: Cut = {
  in: TUF_STORE,
  cut: 'if (newDelegate.signed.isExpired(this.referenceTime))',
  put: 'if (false)',
}
const onlyOurRoles: Cut = {
  in: STAR,
  cut: 'if (names.join() !== [...DELEGATED_ROLES].sort().join())',
  put: 'if (false)',
}

const METADATA_ATTACKS: Attack[] = [
  {
    attack: 'arbitrary install: unsigned',
    file: METADATA,
    tests: ['unsigned: metadata with no signature at all'],
    without: [counts],
  },
  {
    attack: 'arbitrary install: wrong key',
    file: METADATA,
    tests: [
      'wrong key: targets metadata signed by a stranger',
      'wrong key: code metadata signed by a stranger',
      'wrong key: policy metadata signed by a stranger',
      'wrong key: release metadata signed by a stranger',
      'wrong key: snapshot metadata signed by a stranger',
      'wrong key: timestamp metadata signed by a stranger',
      'wrong key: every delegated role signing in the place of another',
    ],
    without: [verifies],
  },
  {
    attack: 'arbitrary install: metadata tampered at any offset',
    file: METADATA,
    tests: ['tampered: any byte of any metadata file changed'],
    without: [verifies, sameHash],
  },
  {
    attack: 'threshold met twice by one key: its signature twice',
    file: METADATA,
    tests: ['threshold met twice by one key: its signature twice in the list'],
    without: [onceSigned, counts],
  },
  {
    attack: 'threshold met twice by one key: the key under two ids',
    file: METADATA,
    tests: ['threshold met twice by one key: the same key under two ids'],
    without: [distinct],
  },
  {
    attack: 'threshold met twice by one key: in a root',
    file: ROOT,
    tests: [
      'threshold met twice by one key: a root that lists its signature twice, or the key under two ids',
    ],
    without: [distinct],
  },
  {
    attack: 'weak key: a signature that fits every message',
    file: METADATA,
    tests: ['a key of small order in a delegation'],
    without: [
      { in: 'agent/trust/keys.ts', cut: "if (isWeakEd25519Key(Buffer.from(hex, 'hex')))", put: 'if (false)' },
    ],
  },
  {
    attack: 'mix-and-match',
    file: FRESHNESS,
    tests: ['mix-and-match: the release role of yesterday under the name of today'],
    without: [sameHash, sameRoleVersion],
  },
  {
    attack: 'endless data: metadata',
    file: METADATA,
    tests: ['endless data: a timestamp without end'],
    without: [
      {
        in: 'agent/trust/metadata.ts',
        cut: 'timestampMaxLength: 16_384',
        put: 'timestampMaxLength: 2 ** 40',
      },
    ],
  },
  {
    attack: 'endless data: a length that a stolen online key names',
    file: METADATA,
    tests: ['endless data: a stolen online key names a huge length for a role'],
    without: [
      { in: 'agent/trust/fetcher.ts', cut: 'Math.min(maxLength, MAX_METADATA_BYTES)', put: 'maxLength' },
    ],
  },
]

const AGE_ATTACKS: Attack[] = [
  {
    attack: 'rollback: metadata, also after restart',
    file: FRESHNESS,
    tests: ['rollback: an older timestamp is served again, also after a restart'],
    without: [
      {
        in: TUF_STORE,
        cut: 'if (newTimestamp.signed.version < this.timestamp.signed.version)',
        put: 'if (false)',
      },
      { in: TUF_STORE, cut: 'if (newSnapshotMeta.version < snapshotMeta.version)', put: 'if (false)' },
      { in: TUF_STORE, cut: 'if (newFileInfo.version < fileInfo.version)', put: 'if (false)' },
    ],
  },
  {
    attack: 'stolen online key: rollback of a role',
    file: FRESHNESS,
    tests: ['stolen online key: a new snapshot that names an older release role'],
    without: [{ in: TUF_STORE, cut: 'if (newFileInfo.version < fileInfo.version)', put: 'if (false)' }],
  },
  {
    attack: 'freeze: expired',
    file: FRESHNESS,
    tests: ['freeze: expired metadata brings nothing new, and what runs goes on and is kept right'],
    without: [timestampExpires, snapshotExpires, roleExpires],
  },
  {
    attack: 'freeze: stale but valid',
    file: FRESHNESS,
    tests: ['freeze: stale metadata is believed for as long as it is valid, and not an hour longer'],
    without: [timestampExpires, snapshotExpires, roleExpires],
  },
  {
    attack: 'freeze: one role behind a fresh timestamp',
    file: FRESHNESS,
    tests: ['freeze: an expired role behind a fresh timestamp'],
    without: [roleExpires],
  },
  {
    attack: 'freeze: an expired root',
    file: FRESHNESS,
    tests: ['freeze: an expired root ends everything new'],
    without: [
      {
        in: TUF_STORE,
        cut: 'if (this.root.signed.isExpired(this.referenceTime))',
        put: 'if (false)',
      },
    ],
  },
  {
    attack: 'freeze: clock set back',
    file: FRESHNESS,
    tests: ['clock set back: metadata that has expired once stays expired, also after a restart'],
    without: [
      {
        in: 'agent/pull.ts',
        cut: 'Math.max(node.clock.now(), node.state.current.clockFloor)',
        put: 'node.clock.now()',
      },
    ],
  },
  {
    attack: 'fast-forward recovery: timestamp',
    file: FAST_FORWARD,
    tests: ['fast-forward: after the root has rotated a stolen timestamp key, its huge version binds nobody'],
    without: [
      {
        in: TUF_STORE,
        cut: 'this.root.verifyDelegate(models_1.MetadataKind.Timestamp, newTimestamp);',
        put: '',
      },
    ],
  },
  {
    attack: 'fast-forward recovery: snapshot and roles',
    file: FAST_FORWARD,
    tests: [
      'fast-forward: the huge version of a role, named by a stolen snapshot key, binds nobody once that is rotated',
    ],
    without: [
      {
        in: TUF_STORE,
        cut: 'this.root.verifyDelegate(models_1.MetadataKind.Snapshot, newSnapshot);',
        put: '',
      },
    ],
  },
  {
    attack: 'fast-forward recovery: before the recovery the huge version binds',
    file: FAST_FORWARD,
    tests: [
      'fast-forward: the huge version of a snapshot binds nobody once its key and the timestamp’s are rotated',
    ],
    without: [
      { in: TUF_STORE, cut: 'if (newSnapshotMeta.version < snapshotMeta.version)', put: 'if (false)' },
      {
        in: TUF_STORE,
        cut: 'if (newTimestamp.signed.version < this.timestamp.signed.version)',
        put: 'if (false)',
      },
    ],
  },
]

const ROOT_ATTACKS: Attack[] = [
  {
    attack: 'root rotation: the old keys have not agreed',
    file: ROOT,
    tests: [
      'root rotation: signed by the new keys only it is refused',
      'root rotation: fewer of the old keys than their threshold are refused',
    ],
    without: [oldRootSigns],
  },
  {
    attack: 'root rotation: the new keys have not agreed',
    file: ROOT,
    tests: ['root rotation: signed by the old keys only, not by those that it names, is refused'],
    without: [newRootSigns],
  },
  {
    attack: 'root rotation: a version is skipped or comes again',
    file: ROOT,
    tests: [
      'root rotation: a version that skips one is refused',
      'rollback: the root of yesterday under the name of tomorrow',
    ],
    without: [nextRoot],
  },
  {
    attack: 'root rotation: hidden again afterwards',
    file: ROOT,
    tests: ['rollback: a rotation that is hidden again does not bring the stolen key back'],
    without: [
      { in: TUF_UPDATER, cut: 'this.persistMetadata(models_1.MetadataKind.Root, bytesData);', put: '' },
    ],
  },
  {
    attack: 'delegation cycle or diamond: a role delegates further',
    file: ROOT,
    tests: [
      'delegations: diamond: two roles delegate to one',
      'delegations: cycle: a role delegates to itself',
      'delegations: cycle: a role delegates back to targets',
    ],
    without: [{ in: STAR, cut: 'if (role.signed.delegations !== undefined)', put: 'if (false)' }],
  },
  {
    attack: 'delegation diamond: a role delegated to twice',
    file: ROOT,
    tests: ['delegations: diamond: one role delegated to twice'],
    // Signatures are verified over what was parsed, in which the second one is gone.
    without: [{ in: STAR, cut: 'if (new Set(names).size !== names.length)', put: 'if (false)' }, verifies],
  },
  {
    attack: 'odd role names',
    file: ROOT,
    tests: ['delegations: a role with an odd name', 'delegations: a role missing'],
    without: [onlyOurRoles],
  },
  {
    attack: 'delegation over the folder of another role',
    file: ROOT,
    tests: ['delegations: a delegation that covers the folder of another'],
    without: [{ in: STAR, cut: 'paths.length !== 1 ||', put: '' }],
  },
  {
    attack: 'delegation that does not terminate',
    file: ROOT,
    tests: ['delegations: a delegation that does not terminate'],
    without: [{ in: STAR, cut: 'if (!role.terminating)', put: 'if (false)' }],
  },
]

export const TRUST_ATTACKS: readonly Attack[] = [...METADATA_ATTACKS, ...AGE_ATTACKS, ...ROOT_ATTACKS]
