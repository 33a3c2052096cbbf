/** Attacks behind good metadata: the release, its turn, what is signed as what, what a decoder knows. */
import type { Attack, Cut } from './attack.ts'

const RELEASE = 'unit/agent/trust/release-attacks'
const PROVENANCE = 'unit/agent/trust/provenance-attacks'
const TURNS = 'unit/agent/turns'
const DECODER = 'unit/agent/trust/decoder-attacks'
const TRUST = 'agent/trust/artifact.ts'
const isType: Cut = {
  in: 'pipelines/contract/dsse.ts',
  cut: 'if (payloadType !== expected.payloadType)',
  put: 'if (false)',
}
const signsType: Cut = {
  in: 'pipelines/contract/dsse.ts',
  cut: 'export function pae(payloadType, payload) {',
  put: 'export function pae(_type, payload) { const payloadType = "";',
}
const strict = (file: string, schema: string): Cut => ({
  in: file,
  cut: `export const ${schema} = z.strictObject(`,
  put: `export const ${schema} = z.looseObject(`,
})

export const RELEASE_ATTACKS: readonly Attack[] = [
  {
    attack: 'rollback: a release, also after restart',
    file: RELEASE,
    tests: [
      'rollback: a release with a lower number, also after a restart',
      'rollback: the accepted number again with another artifact',
      'rollback: a number that was accepted but never ran binds as well',
    ],
    without: [
      {
        in: 'agent/trust/release.ts',
        cut: 'if (accepted === null || release.number > accepted.number)',
        put: 'if (true)',
      },
    ],
  },
  {
    attack: 'right artifact, wrong ring',
    file: RELEASE,
    tests: ['wrong ring: a release of another ring under our name'],
    without: [{ in: 'agent/trust/release.ts', cut: 'if (release.ring !== node.ring)', put: 'if (false)' }],
  },
  {
    attack: 'stolen online key: a ring before its turn',
    file: RELEASE,
    tests: ['out-of-order ring: no release before the ring before has succeeded with this very one'],
    without: [{ in: 'agent/trust/release.ts', cut: 'if (node.previousRing === null)', put: 'if (true)' }],
  },
  {
    attack: 'stolen online key: a success of another release',
    file: RELEASE,
    tests: ['out-of-order ring: no release before the ring before has succeeded with this very one'],
    without: [
      {
        in: 'agent/trust/release.ts',
        cut: 'success.number !== release.number || success.artifact !== release.artifact',
        put: 'false',
      },
    ],
  },
  {
    attack: 'stolen online key: a success that the builder signs',
    file: RELEASE,
    tests: ['out-of-order ring: a success signed by the builder'],
    without: [
      { in: 'agent/trust/release.ts', cut: "metadata.signers('release')", put: "metadata.signers('policy')" },
    ],
  },
  {
    attack: 'payload-type confusion: a success signed as provenance',
    file: RELEASE,
    tests: ['out-of-order ring: a success signed as provenance'],
    without: [isType, signsType],
  },
  {
    attack: 'payload-type confusion: provenance signed as a success',
    file: PROVENANCE,
    tests: ['payload-type confusion: provenance signed as a ring success'],
    without: [isType, signsType],
  },
  {
    attack: 'payload-type confusion: relabelled after signing',
    file: PROVENANCE,
    tests: ['payload-type confusion: the type relabelled after signing'],
    without: [signsType],
  },
  {
    attack: 'threshold met twice by one key: an envelope',
    file: 'unit/pipelines/contract/dsse',
    tests: ['one key twice for a threshold of two is refused'],
    without: [
      {
        in: 'pipelines/contract/dsse.ts',
        cut: 'const signers = new Set();',
        put: 'const signers = { size: 0, has: () => false, add: () => signers.size++ };',
      },
    ],
  },
  {
    attack: 'arbitrary install: provenance of another artifact or by another key',
    file: PROVENANCE,
    tests: ['provenance of another artifact'],
    without: [
      {
        in: TRUST,
        cut: 'if (statement.subject[0]?.digest.sha256 !== hexOf(about.artifact))',
        put: 'if (false)',
      },
    ],
  },
  {
    attack: 'arbitrary install: provenance by another key',
    file: PROVENANCE,
    tests: ['provenance by another key'],
    without: [{ in: 'agent/trust/keys.ts', cut: 'role.keyIDs.includes(keyid) && ', put: '' }],
  },
  {
    attack: 'a denied artifact again',
    file: TURNS,
    tests: ['takes no artifact that is denied, whatever its number'],
    without: [
      {
        in: 'agent/trust/release.ts',
        cut: 'if (!denied.includes(release.artifact))',
        put: 'if (true)',
      },
    ],
  },
  {
    attack: 'denials by another key or of another type',
    file: TURNS,
    tests: ['believes no denials but the director’s'],
    without: [{ in: 'agent/verify.ts', cut: 'await checkDenials(node, metadata, release);', put: '' }],
  },
  {
    attack: 'a release before its turn',
    file: TURNS,
    tests: ['keeps what it runs until it is its turn'],
    without: [{ in: 'agent/verify.ts', cut: 'if (!isOurTurn(node, release))', put: 'if (false)' }],
  },
  {
    attack: 'field count: a manifest',
    file: DECODER,
    tests: ['field count: a manifest with a field too many'],
    without: [strict('pipelines/contract/artifact.ts', 'Manifest')],
  },
  {
    attack: 'field count: a block',
    file: DECODER,
    tests: ['field count: a manifest with a field too many in a block'],
    without: [strict('pipelines/contract/artifact.ts', 'Block')],
  },
  {
    attack: 'field count: more blocks than a row has bits',
    file: DECODER,
    tests: ['field count: a manifest with more blocks than a row has bits'],
    without: [{ in: 'pipelines/contract/artifact.ts', cut: '.max(1024)', put: '' }],
  },
  {
    attack: 'field count: a release',
    file: DECODER,
    tests: ['field count: a release with a field too many'],
    without: [strict('pipelines/contract/release.ts', 'Release')],
  },
  {
    attack: 'field count: a ring success',
    file: DECODER,
    tests: ['field count: a ring success with a field too many'],
    without: [strict('pipelines/contract/release.ts', 'RingSuccess')],
  },
  {
    attack: 'field count: a code target',
    file: DECODER,
    tests: ['field count: a code target with a field too many'],
    without: [strict('pipelines/contract/object-keys.ts', 'CodeTarget')],
  },
  {
    attack: 'field count: an envelope',
    file: DECODER,
    tests: ['field count: an envelope with a field too many'],
    without: [strict('pipelines/contract/dsse.ts', 'Envelope')],
  },
]
