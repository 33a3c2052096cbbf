/**
 * Development keys: one Ed25519 key a role, made at first use, in files that only their owner reads.
 * A production deployment puts a KMS behind the same Signer port and keeps root, targets and code offline.
 */
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { chmod, link, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Signer } from '../ports.ts'
import { type AllKeys, ROLES, type RoleName } from '../trust/roles.ts'
import { makeDirectory, syncDirectory, writeTemporary } from './durable-file.ts'

/** Loads the keys in `directory`, making those that aren't there. Processes may race: the first key stays. */
export async function openDevKeys(directory: string): Promise<AllKeys> {
  await makeDirectory(directory)
  await chmod(directory, 0o700)
  const keys: Partial<AllKeys> = {}
  for (const role of ROLES) keys[role] = { signers: [await openKey(directory, role)], threshold: 1 }
  return keys as AllKeys
}

/** A Signer over a key that is in this process's memory. */
export function memorySigner(privateKey: KeyObject): Signer {
  const spki = createPublicKey(privateKey).export({ format: 'der', type: 'spki' })
  return {
    publicKey: new Uint8Array(spki.subarray(-32)),
    sign: async (bytes) => new Uint8Array(sign(null, bytes, privateKey)),
  }
}

async function openKey(directory: string, role: RoleName): Promise<Signer> {
  const path = join(directory, `${role}.key`)
  const existing = await readFile(path, 'utf8').catch(() => undefined)
  if (existing !== undefined) return memorySigner(createPrivateKey(existing))
  const pem = generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }) as string
  const written = await writeTemporary(directory, Buffer.from(pem), 0o600)
  await link(written, path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error
  })
  await rm(written, { force: true })
  await syncDirectory(directory)
  return memorySigner(createPrivateKey(await readFile(path, 'utf8')))
}
