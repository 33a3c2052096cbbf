/** Attacks behind good metadata: the release, the artifact, its code, where it comes from. */
import type { Attack, Cut } from './attack.ts'

const ARTIFACT = 'unit/agent/trust/artifact-attacks'
const RELEASE = 'unit/agent/trust/release-attacks'
const PROVENANCE = 'unit/agent/trust/provenance-attacks'
const DECODER = 'unit/agent/trust/decoder-attacks'
const STORES = 'unit/agent/stores'
const TRUST = 'agent/trust/artifact.ts'

const isContent: Cut = { in: 'agent/trust/content.ts', cut: 'sha256(bytes) !== digest', put: 'false' }
const isLength: Cut = {
  in: 'agent/trust/content.ts',
  cut: 'length !== undefined && bytes.length !== length',
  put: 'false',
}
const isCode: Cut = { in: TRUST, cut: 'if (actual.code !== signed.digest)', put: 'if (false)' }
const agreesOnCode: Cut = {
  in: TRUST,
  cut: 'signed.variant !== manifest.code.variant || signed.digest !== manifest.code.digest',
  put: 'false',
}
const isTables: Cut = { in: TRUST, cut: 'if (actual.tables !== manifest.tables.digest)', put: 'if (false)' }
const isType: Cut = {
  in: 'pipelines/contract/dsse.ts',
  cut: 'if (payloadType !== expected.payloadType)',
  put: 'if (false)',
}
const signsType: Cut = {
  in: 'pipelines/contract/dsse.ts',
  cut: '`DSSEv1 ${payloadType.length} ${payloadType} ${payload.length} `',
  put: '`DSSEv1 ${payload.length} `',
}
const strict = (file: string, schema: string): Cut => ({
  in: file,
  cut: `export const ${schema} = z.strictObject(`,
  put: `export const ${schema} = z.looseObject(`,
})

const ARTIFACT_ATTACKS: Attack[] = [
  {
    attack: 'arbitrary install: the artifact tampered at any offset',
    file: ARTIFACT,
    tests: [
      'tampered at any offset: the program',
      'tampered at any offset: manifest, provenance, release and code target',
    ],
    without: [isContent, isCode, isTables],
  },
  {
    attack: 'arbitrary install: substituted after metadata',
    file: ARTIFACT,
    tests: ['substituted after the metadata: another good program, a shorter one, none'],
    without: [isContent, isLength, isTables],
  },
  {
    attack: 'arbitrary install: under the name of another artifact',
    file: ARTIFACT,
    tests: ['a policy target whose name is not its digest'],
    without: [{ in: TRUST, cut: "if (target.hashes['sha256'] !== hexOf(artifact))", put: 'if (false)' }],
  },
  {
    attack: 'arbitrary install: tables that the manifest does not name',
    file: ARTIFACT,
    tests: ['a manifest that lies about its tables'],
    without: [isTables],
  },
  {
    attack: 'stolen online key: the director introduces an artifact',
    file: ARTIFACT,
    tests: ['a release in the policy role, a manifest in the release role: nobody speaks for another folder'],
    without: [
      {
        in: 'agent/trust/metadata.ts',
        cut: 'trusted.getRole(role)?.signed.targets ?? {}',
        put: '{ ...trusted.getRole("release")?.signed.targets, ...trusted.getRole(role)?.signed.targets }',
      },
    ],
  },
  {
    attack: 'stolen online key: the builder introduces code',
    file: ARTIFACT,
    tests: [
      'stolen builder key: new code is not signed by the code key',
      'stolen builder key: new code under the digest of the signed code',
    ],
    without: [agreesOnCode, isCode],
  },
  {
    attack: 'endless data: the artifact',
    file: ARTIFACT,
    tests: ['endless data: a signed manifest that names a program of a terabyte'],
    without: [{ in: 'agent/trust/content.ts', cut: 'if (bytes > maxBytes)', put: 'if (false)' }],
  },
  {
    attack: 'endless data: more than the metadata says',
    file: STORES,
    tests: ['http: data without end is refused', 'http: an object that is one byte too large'],
    without: [{ in: 'agent/adapters/http-store.ts', cut: 'if (length > maxBytes)', put: 'if (false)' }],
  },
  {
    attack: 'gzip bomb',
    file: STORES,
    tests: ['http: a compressed answer is refused'],
    without: [
      {
        in: 'agent/adapters/http-store.ts',
        cut: " || response.headers.has('content-encoding')",
        put: '',
      },
    ],
  },
  {
    attack: 'trickle',
    file: STORES,
    tests: ['http: a server that sends byte by byte, and never an end, is left'],
    without: [
      { in: 'agent/adapters/http-store.ts', cut: 'signal: AbortSignal.timeout(timeoutMs),', put: '' },
    ],
  },
  {
    attack: 'right artifact, wrong kernel',
    file: ARTIFACT,
    tests: ['right artifact, wrong kernel'],
    without: [
      { in: TRUST, cut: 'if (!kernelAtLeast(release, manifest.kernel.minimum))', put: 'if (false)' },
      { in: TRUST, cut: 'if (missing.length > 0)', put: 'if (false)' },
    ],
  },
  {
    attack: 'right artifact, wrong arch',
    file: ARTIFACT,
    tests: ['right artifact, wrong architecture'],
    without: [{ in: 'pipelines/contract/artifact.ts', cut: "z.enum(['bpfel'])", put: 'z.string()' }],
  },
  {
    attack: 'right artifact, wrong hook',
    file: ARTIFACT,
    tests: ['right artifact, wrong hook'],
    without: [{ in: TRUST, cut: 'if (unknown.length > 0)', put: 'if (false)' }],
  },
  {
    attack: 'right artifact, wrong ABI',
    file: ARTIFACT,
    tests: ['right artifact, wrong ABI: in the metadata and in the manifest'],
    without: [
      { in: TRUST, cut: 'if (manifest.abi !== custom.data.abi)', put: 'if (false)' },
      { in: 'agent/skew.ts', cut: 'if (artifact !== dispatcher)', put: 'if (false)' },
      { in: 'agent/skew.ts', cut: 'if (facts === null || facts.abi === artifact)', put: 'if (true)' },
    ],
  },
  {
    attack: 'right artifact, wrong tenant',
    file: 'unit/languages/policy-files',
    tests: ['teams/pay/a.yaml may not speak for shop', 'a.yaml may not speak for pay'],
    without: [
      {
        in: 'pipelines/policy/tenancy.ts',
        cut: 'if (tenants === undefined)',
        put: 'if (true)',
      },
    ],
  },
]

const CHOICE_ATTACKS: Attack[] = [
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

export const RELEASE_ATTACKS: readonly Attack[] = [...ARTIFACT_ATTACKS, ...CHOICE_ATTACKS]
