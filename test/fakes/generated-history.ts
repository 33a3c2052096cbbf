/**
 * A long signed history, as the functions would have written it in years: every rollout publishes an artifact, which
 * then goes through all rings. Written straight away, without the readers that make a real publication slow.
 */
import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import { memorySigner } from '../../functions/adapters/dev-keys.ts'
import type { Signer } from '../../functions/ports.ts'
import { begin } from '../../functions/trust/ceremony.ts'
import { keyIdOf } from '../../functions/trust/keys.ts'
import { LIFETIME_MS, type RoleName, ROLES } from '../../functions/trust/roles.ts'
import { canonicalJson, type Json } from '../../pipelines/contract/canonical-json.ts'
import { pae, PAYLOAD_TYPES, type PayloadType, toBase64 } from '../../pipelines/contract/dsse.ts'
import { logEntryBytes } from '../../pipelines/contract/log.ts'
import {
  blobKey,
  metadataKey,
  policyTarget,
  releaseTarget,
  rolloutEndKey,
  successTarget,
  targetKey,
} from '../../pipelines/contract/object-keys.ts'
import { fakeCode } from './compiler.ts'
import { GeneratedLog } from './generated-log.ts'
import { logTarget, membersOf, tableOf } from './init-repository.ts'
import { type AllKeys, manualClock } from './keys.ts'
import { memoryStore } from './memory-store.ts'

/** Artifacts that the policy role lists at a time, as publish keeps them. */
const LISTED = 256
/** Milliseconds between two publications. */
const PACE_MS = 60_000
const START = Date.parse('2026-01-01T00:00:00Z')

type Put = (key: string, bytes: Uint8Array) => void
type Pair = { key: KeyObject; id: string }
type File = { version: number; length: number; hashes: { sha256: string } }

const sha256 = (bytes: Uint8Array | string) => createHash('sha256').update(bytes).digest('hex')
const commitOf = (number: number) => sha256(`commit ${number}`).slice(0, 40)
const bytesOf = (value: object) => new Uint8Array(Buffer.from(canonicalJson(value as Json)))

/** Writes it with `put`; the root to pin. */
export async function generateHistory(
  { rollouts, rings }: { rollouts: number; rings: readonly string[] },
  put: Put,
): Promise<Uint8Array> {
  const { keys, pairs } = newKeys()
  const store = memoryStore()
  const clock = manualClock(START)
  const root = await begin(tableOf(store, keys, clock), membersOf(keys), [...fakeCode, logTarget(keys)])
  for (const [key, bytes] of store.objects) put(key, bytes)
  const code = [...store.objects.keys()].filter((key) => key.endsWith('.code.json')).length
  const writer = new Writer(pairs, put, (name) => store.objects.get(metadataKey(name)) as Uint8Array, code)
  const logged = new GeneratedLog(keys.log.signers[0] as Signer)
  for (let number = 1; number <= rollouts; number++) {
    await setImmediate() // or nothing else of this process has a turn until all is written
    writer.now = START + number * PACE_MS
    const artifact = await writer.publish(number, logged)
    for (const [at, ring] of rings.entries()) writer.release({ number, artifact }, ring, rings[at - 1])
    writer.succeed({ number, artifact }, rings.at(-1) as string)
  }
  writer.timestamp()
  logged.write(put)
  return root
}

function newKeys(): { keys: AllKeys; pairs: (role: RoleName) => Pair } {
  const made = new Map<string, Pair>()
  const keys: Partial<AllKeys> = {}
  for (const role of [...ROLES, 'log'] as const) {
    const { privateKey } = generateKeyPairSync('ed25519')
    const signer = memorySigner(privateKey)
    made.set(role, { key: privateKey, id: keyIdOf(signer.publicKey) })
    keys[role] = { signers: [signer], threshold: 1 }
  }
  return { keys: keys as AllKeys, pairs: (role) => made.get(role) as Pair }
}

type Named = { number: number; artifact: `sha256:${string}` }

class Writer {
  now = START
  private readonly pairs: (role: RoleName) => Pair
  private readonly put: Put
  private readonly files: Record<string, File> = {}
  private snapshots = 0
  private last: File | undefined
  /** Path → its canonical JSON, of the policy and of the release role. */
  private readonly listed = { policy: new Map<string, string>(), release: new Map<string, string>() }

  constructor(
    pairs: (role: RoleName) => Pair,
    put: Put,
    offline: (name: string) => Uint8Array,
    code: number,
  ) {
    this.pairs = pairs
    this.put = put
    this.files['targets.json'] = fileOf(1, offline('1.targets.json'))
    this.files['code.json'] = fileOf(code, offline(`${code}.code.json`))
    this.role('policy')
    this.role('release')
    this.snapshot()
  }

  async publish(number: number, log: GeneratedLog): Promise<Named['artifact']> {
    const hex = sha256(`artifact ${number}`)
    const artifact = `sha256:${hex}` as const
    const commit = commitOf(number)
    const envelope = this.envelope('policy', PAYLOAD_TYPES.provenance, provenanceOf(hex, commit))
    const provenance = `sha256:${sha256(envelope)}`
    const proof = await log.append(logEntryBytes({ artifact, provenance, commit }))
    for (const blob of [envelope, proof]) this.put(blobKey(`sha256:${sha256(blob)}`), blob)
    const custom = {
      abi: 1,
      kernel: '6.1',
      commit,
      provenance,
      proof: `sha256:${sha256(proof)}`,
      order: number,
    }
    const { policy } = this.listed
    policy.set(policyTarget(artifact), canonicalJson({ custom, hashes: { sha256: hex }, length: 1 }))
    if (policy.size > LISTED) policy.delete([...policy.keys()][0] as string)
    this.role('policy')
    this.snapshot()
    return artifact
  }

  release(named: Named, ring: string, before: string | undefined): void {
    if (before !== undefined) this.list(successTarget(before), this.success(named, before))
    const rollout = `${named.number}`
    const commit = commitOf(named.number)
    this.list(releaseTarget(ring), bytesOf({ schema: 'heddle.release/1', ring, ...named, commit, rollout }))
    this.role('release')
    this.snapshot()
  }

  succeed(named: Named, ring: string): void {
    this.list(successTarget(ring), this.success(named, ring))
    this.role('release')
    this.snapshot()
    const [commit, times] = [commitOf(named.number), { begunAt: this.now, endedAt: this.now }]
    const how = { kind: 'release', outcome: 'done', ring, why: 'every ring has soaked with it' }
    const end = { schema: 'heddle.rollout-end/1', id: `${named.number}`, ...named, commit, ...how, ...times }
    this.put(rolloutEndKey(named.number, 'done'), this.envelope('release', PAYLOAD_TYPES.rolloutEnd, end))
  }

  timestamp(): void {
    const meta = { 'snapshot.json': this.last as File }
    this.put(metadataKey('timestamp.json'), this.signed('timestamp', { version: this.snapshots, meta }))
  }

  private success(named: Named, ring: string): Uint8Array {
    const success = {
      schema: 'heddle.ring-success/1',
      ring,
      ...named,
      rollout: `${named.number}`,
      nodes: 1,
    }
    return this.envelope('release', PAYLOAD_TYPES.ringSuccess, success)
  }

  private list(path: string, bytes: Uint8Array): void {
    const hex = sha256(bytes)
    this.put(targetKey(path, hex), bytes)
    this.listed.release.set(path, canonicalJson({ hashes: { sha256: hex }, length: bytes.length }))
  }

  private role(role: 'policy' | 'release'): void {
    const version = (this.files[`${role}.json`]?.version ?? 0) + 1
    const sorted = [...this.listed[role]].sort(([a], [b]) => (a < b ? -1 : 1))
    const targets = `{${sorted.map(([path, text]) => `${JSON.stringify(path)}:${text}`).join(',')}}`
    const text = `{"_type":"targets","expires":"${this.expires(role)}","spec_version":"1.0.31","targets":${targets},"version":${version}}`
    const bytes = this.around(role, text)
    this.put(metadataKey(`${version}.${role}.json`), bytes)
    this.files[`${role}.json`] = fileOf(version, bytes)
  }

  private snapshot(): void {
    const version = ++this.snapshots
    const bytes = this.signed('snapshot', { version, meta: this.files })
    this.put(metadataKey(`${version}.snapshot.json`), bytes)
    this.last = fileOf(version, bytes)
  }

  private signed(role: 'snapshot' | 'timestamp', content: object): Uint8Array {
    const expires = this.expires(role)
    return this.around(
      role,
      canonicalJson({ _type: role, spec_version: '1.0.31', expires, ...content } as Json),
    )
  }

  private around(role: RoleName, text: string): Uint8Array {
    const { key, id } = this.pairs(role)
    const sig = sign(null, Buffer.from(text), key).toString('hex')
    return new Uint8Array(Buffer.from(`{"signatures":[{"keyid":"${id}","sig":"${sig}"}],"signed":${text}}`))
  }

  private envelope(role: RoleName, payloadType: PayloadType, statement: object): Uint8Array {
    const { key, id: keyid } = this.pairs(role)
    const payload = bytesOf(statement)
    const sig = toBase64(new Uint8Array(sign(null, pae(payloadType, payload), key)))
    return bytesOf({ payloadType, payload: toBase64(payload), signatures: [{ keyid, sig }] })
  }

  private expires(role: RoleName): string {
    return new Date(this.now + LIFETIME_MS[role]).toISOString().replace('.000Z', 'Z')
  }
}

const fileOf = (version: number, bytes: Uint8Array): File => ({
  version,
  length: bytes.length,
  hashes: { sha256: sha256(bytes) },
})

function provenanceOf(hex: string, commit: string): object {
  const internalParameters = {
    author: 'Policy Author <author@example.test>',
    review: {
      ...{ pull: 7, head: commit, rule: 'two of the owners' },
      approvals: [{ by: 'reviewer', commit, outdated: false }],
    },
  }
  return {
    _type: 'https://in-toto.io/Statement/v1',
    subject: [{ name: `policy/${hex}.json`, digest: { sha256: hex } }],
    predicateType: 'https://slsa.dev/provenance/v1',
    predicate: {
      buildDefinition: {
        buildType: 'https://heddle.dev/build/policy/v1',
        externalParameters: { repository: 'acme/policies', commit },
        internalParameters,
      },
      runDetails: { builder: { id: 'test' } },
    },
  }
}
