/** Attacks on metadata: who signed it, what was changed in it, how much of it there is. */
import type { Attack, Cut } from './attack.ts'

const METADATA = 'unit/agent/trust/metadata-attacks'
const FRESHNESS = 'unit/agent/trust/freshness-attacks'
const ROOT = 'unit/agent/trust/root-attacks'
const TUF_STORE = 'node_modules/tuf-js/dist/store.js'
const TUF_METADATA = 'node_modules/@tufjs/models/dist/metadata.js'
/** Signatures are verified; enough of them are there. */
export const verifies: Cut = { in: TUF_METADATA, cut: 'key.verifySignature(delegatedMetadata);', put: '' }
const counts: Cut = { in: TUF_METADATA, cut: 'if (signingKeys.size < role.threshold)', put: 'if (false)' }
const onceSigned: Cut = { in: TUF_METADATA, cut: 'if (sigMap[sig.keyID])', put: 'if (false)' }
const distinct: Cut = {
  in: 'agent/trust/keys.ts',
  cut: 'if (seen.has(hex))',
  put: 'if (false)',
}
const sameHash: Cut = { in: TUF_STORE, cut: 'meta.verify(bytesBuffer);', put: '' }
const sameRoleVersion: Cut = { in: TUF_STORE, cut: 'if (version != meta.version)', put: 'if (false)' }

export const METADATA_ATTACKS: readonly Attack[] = [
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
