/**
 * A transcript in our dialect of TUF: the same keys, signatures, versions, hashes and mistakes, but
 * Ed25519 where the record has ECDSA, and the star of delegations that a fleet's targets always has:
 * what the recorded top-level targets list, role policy lists in its folder. Delegations that are
 * recorded stay as they are.
 */
import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign } from 'node:crypto'
import { Key, Metadata } from '@tufjs/models'
import { canonicalJson } from '../../pipelines/contract/canonical-json.ts'
import { DELEGATED_ROLES } from '../../pipelines/contract/object-keys.ts'
import { blobOf, type Step, type Transcript } from './tuf-transcripts.ts'

/** PKCS #8 of Ed25519 up to the 32 bytes of the seed (RFC 8410, 7). */
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex')
/** Ids of the keys of the star, which the record does not have. */
const STAR_KEYS = DELEGATED_ROLES.map((role) => hexDigest(`key of ${role}`))

// biome-ignore lint/suspicious/noExplicitAny: metadata on purpose malformed has no type
type Json = any
type Signature = { keyid: string; sig: string }

export type Dialect = {
  root(step: Step): string
  /** What the store holds during the step: path as recorded -> bytes. */
  serve(step: Step): Map<string, Buffer>
  /** Translated bytes of a recorded digest. */
  translated(sha256: string): Buffer
  /** A recorded target, as our client asks for it. */
  path(target: string): string
}

export function inOurDialect(transcript: Transcript): Dialect {
  const keys = keysOf(transcript)
  const memory = new Map<string, Buffer>()
  const translated = (sha256: string): Buffer => {
    const known = memory.get(sha256) ?? translate(blobOf(transcript, sha256))
    memory.set(sha256, known)
    return known
  }
  const translate = (recorded: Buffer): Buffer => {
    const metadata = parse(recorded)
    if (metadata?.signed === undefined) return recorded
    const { signed } = structuredClone(metadata)
    if (signed.keys !== undefined) signed.keys = ed25519Keys(signed.keys)
    if (signed.delegations !== undefined) signed.delegations.keys = ed25519Keys(signed.delegations.keys)
    if (signed._type === 'targets' && signed.delegations === undefined) turnIntoStar(signed)
    if (signed.meta !== undefined) describeFiles(signed.meta, transcript, translated)
    const signatures = metadata.signatures.map((signature: Signature) => ({
      ...signature,
      sig: isGood(signature, metadata, keys) ? signatureOf(signature.keyid, signed) : '00'.repeat(64),
    }))
    return encode({ signatures, signed })
  }
  return {
    root: ({ trustedRoot }) => translated(trustedRoot).toString(),
    translated,
    path: (target) => `policy/${target}`,
    serve: ({ serve }) => {
      const served = new Map<string, Buffer>()
      for (const [path, sha256] of Object.entries(serve)) {
        served.set(path.replace(/^targets\//, 'targets/policy/'), translated(sha256))
        if (!/^metadata\/\d+\.targets\.json$/.test(path)) continue
        for (const [at, role] of DELEGATED_ROLES.entries())
          served.set(path.replace('targets.json', `${role}.json`), delegateOf(blobOf(transcript, sha256), at))
      }
      return served
    },
  }
}

/** Metadata of a delegated role beside recorded targets of the same version. */
function delegateOf(recordedTargets: Buffer, at: number): Buffer {
  const { targets, ...signed } = parse(recordedTargets).signed
  const entries = Object.entries(targets).map(([path, file]) => [`policy/${path}`, file])
  signed.targets = DELEGATED_ROLES[at] === 'policy' ? Object.fromEntries(entries) : {}
  delete signed.delegations
  const keyid = STAR_KEYS[at] ?? ''
  return encode({ signatures: [{ keyid, sig: signatureOf(keyid, signed) }], signed })
}

function turnIntoStar(signed: Json): void {
  signed.targets = {}
  const roles = DELEGATED_ROLES.map((name, at) => ({
    name,
    keyids: [STAR_KEYS[at]],
    threshold: 1,
    terminating: true,
    paths: [`${name}/*`],
  }))
  const recorded = Object.fromEntries(STAR_KEYS.map((id) => [id, {}]))
  signed.delegations = { keys: ed25519Keys(recorded), roles }
}

/** Hashes of files that are translated, too; those of others are mistakes and stay. */
function describeFiles(meta: Json, transcript: Transcript, translated: (sha256: string) => Buffer): void {
  for (const entry of Object.values<Json>(meta)) {
    const recorded = entry.hashes?.sha256
    // A length beside a wrong hash would be a second mistake once the file is translated.
    delete entry.length
    if (transcript.blobs.has(recorded)) entry.hashes = { sha256: hexDigest(translated(recorded)) }
  }
  const version = meta['targets.json']?.version
  if (version !== undefined) for (const role of DELEGATED_ROLES) meta[`${role}.json`] = { version }
}

function ed25519Keys(recorded: Record<string, unknown>): Json {
  const ids = Object.keys(recorded)
  return Object.fromEntries(
    ids.map((id) => {
      const keyval = { public: pairOf(id).publicHex }
      return [id, { keytype: 'ed25519', scheme: 'ed25519', keyval }]
    }),
  )
}

/** Every key of every file of the record. */
function keysOf({ blobs }: Transcript): Map<string, Key> {
  const keys = new Map<string, Key>()
  for (const bytes of blobs.values()) {
    const signed = parse(bytes)?.signed
    for (const [id, key] of Object.entries({ ...signed?.keys, ...signed?.delegations?.keys }))
      keys.set(id, Key.fromJSON(id, key as Parameters<typeof Key.fromJSON>[1]))
  }
  return keys
}

function isGood({ keyid }: Signature, metadata: Json, keys: Map<string, Key>): boolean {
  try {
    keys.get(keyid)?.verifySignature(Metadata.fromJSON(metadata.signed._type, metadata))
    return keys.has(keyid)
  } catch {
    return false
  }
}

function signatureOf(keyid: string, signed: Json): string {
  return sign(null, Buffer.from(canonicalJson(signed)), pairOf(keyid).privateKey).toString('hex')
}

const pairs = new Map<string, { privateKey: KeyObject; publicHex: string }>()

/** The pair that stands for a recorded key; always the same, made once. */
function pairOf(keyid: string): { privateKey: KeyObject; publicHex: string } {
  const known = pairs.get(keyid)
  if (known !== undefined) return known
  const seed = Buffer.from(hexDigest(keyid), 'hex')
  const key = Buffer.concat([PKCS8_PREFIX, seed])
  const privateKey = createPrivateKey({ key, format: 'der', type: 'pkcs8' })
  const spki = createPublicKey(privateKey).export({ format: 'der', type: 'spki' })
  const pair = { privateKey, publicHex: spki.subarray(-32).toString('hex') }
  pairs.set(keyid, pair)
  return pair
}

function parse(bytes: Buffer): Json {
  try {
    return JSON.parse(bytes.toString())
  } catch {
    return undefined
  }
}

function encode(value: Json): Buffer {
  return Buffer.from(JSON.stringify(value))
}

function hexDigest(bytes: Buffer | string): string {
  return createHash('sha256').update(bytes).digest('hex')
}
