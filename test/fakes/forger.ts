/** Writes whatever metadata an attacker could: any JSON, signed by any keys that he has. */
import { generateKeyPairSync } from 'node:crypto'
import { memorySigner } from '../../functions/adapters/dev-keys.ts'
import type { Signer } from '../../functions/ports.ts'
import { keyIdOf, tufKey } from '../../functions/trust/keys.ts'
import { sha256Hex } from '../../functions/trust/metadata.ts'
import { canonicalJson, type Json } from '../../pipelines/contract/canonical-json.ts'
import { metadataKey } from '../../pipelines/contract/object-keys.ts'
import type { Fleet } from './node-fleet.ts'

// biome-ignore lint/suspicious/noExplicitAny: hostile JSON has no type
export type Signed = any

export const freshSigner = (): Signer => memorySigner(generateKeyPairSync('ed25519').privateKey)

/** Adds a key to a `keys` table; its id. */
export function addKey(keys: Record<string, unknown>, signer: Signer): string {
  const key = tufKey(signer.publicKey)
  keys[key.keyID] = key.toJSON()
  return key.keyID
}

export async function signJson(signed: Signed, signers: readonly Signer[]): Promise<Uint8Array> {
  const message = new Uint8Array(Buffer.from(canonicalJson(signed as Json)))
  const signatures = []
  for (const signer of signers) {
    const sig = Buffer.from(await signer.sign(message)).toString('hex')
    signatures.push({ keyid: keyIdOf(signer.publicKey), sig })
  }
  return new Uint8Array(Buffer.from(JSON.stringify({ signatures, signed })))
}

export function forger(fleet: Fleet) {
  const { objects } = fleet.store
  const { keys } = fleet.published

  const read = (file: string): Signed => {
    const bytes = objects.get(metadataKey(file))
    if (bytes === undefined) throw new Error(`no ${file}`)
    return JSON.parse(Buffer.from(bytes).toString()).signed
  }
  const write = (file: string, bytes: Uint8Array) => objects.set(metadataKey(file), bytes)
  const snapshot = (): Signed => read(`${read('timestamp.json').meta['snapshot.json'].version}.snapshot.json`)
  const role = (name: string): Signed => read(`${snapshot().meta[`${name}.json`].version}.${name}.json`)

  async function putTimestamp(change: (signed: Signed) => void, signers = keys.timestamp.signers) {
    const signed = read('timestamp.json')
    signed.version++
    change(signed)
    write('timestamp.json', await signJson(signed, signers))
  }
  async function putSnapshot(change: (signed: Signed) => void, signers = keys.snapshot.signers) {
    const signed = snapshot()
    signed.version++
    change(signed)
    const bytes = await signJson(signed, signers)
    write(`${signed.version}.snapshot.json`, bytes)
    await putTimestamp((timestamp) => {
      timestamp.meta['snapshot.json'] = describe(signed.version, bytes)
    })
  }
  /** A new version of a role, listed by a new snapshot and a new timestamp. */
  async function putRole(name: 'targets' | 'code' | 'policy' | 'release', change: (signed: Signed) => void) {
    await putRoleAs(name, keys[name].signers, change)
  }
  async function putRoleAs(name: string, signers: readonly Signer[], change: (signed: Signed) => void) {
    const signed = role(name)
    signed.version++
    change(signed)
    const bytes = await signJson(signed, signers)
    write(`${signed.version}.${name}.json`, bytes)
    await putSnapshot((snapshotted) => {
      snapshotted.meta[`${name}.json`] = describe(signed.version, bytes)
    })
  }
  /** The next root, by whoever signs it. */
  async function putRoot(signers: readonly Signer[], change: (signed: Signed) => void) {
    let version = 1
    while (objects.has(metadataKey(`${version + 1}.root.json`))) version++
    const signed = read(`${version}.root.json`)
    signed.version++
    change(signed)
    write(`${version + 1}.root.json`, await signJson(signed, signers))
  }
  /** A lawful rotation: the next root names another key, which signs the timestamp; that key. */
  async function rotateTimestamp() {
    const signer = freshSigner()
    await putRoot(keys.root.signers, (signed) => {
      signed.roles.timestamp.keyids = [addKey(signed.keys, signer)]
    })
    await putTimestamp(() => {}, [signer])
    return signer
  }
  return {
    objects,
    keys,
    read,
    write,
    snapshot,
    role,
    putTimestamp,
    putSnapshot,
    putRole,
    putRoleAs,
    putRoot,
    rotateTimestamp,
  }
}

function describe(version: number, bytes: Uint8Array) {
  return { version, length: bytes.length, hashes: { sha256: sha256Hex(bytes) } }
}
