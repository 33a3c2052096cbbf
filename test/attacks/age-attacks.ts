/** Attacks on the age of metadata: rollback, freeze, fast-forward. */
import type { Attack, Cut } from './attack.ts'

const FRESHNESS = 'unit/agent/trust/freshness-attacks'
const FAST_FORWARD = 'unit/agent/trust/fast-forward'
const TUF_STORE = 'node_modules/tuf-js/dist/store.js'
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

export const AGE_ATTACKS: readonly Attack[] = [
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
