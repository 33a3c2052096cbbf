/** Attacks behind good metadata: the artifact, its code, where it may run, how it is sent. */
import type { Attack, Cut } from './attack.ts'

const ARTIFACT = 'unit/agent/trust/artifact-attacks'
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

export const ARTIFACT_ATTACKS: readonly Attack[] = [
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
