/**
 * Keys in files that only their owner reads: `<role>-<n>.key` (PKCS #8), and beside each its public half
 * `<role>-<n>.pub` (SPKI), all that an operator needs of an online key. A production deployment puts a
 * KMS behind the same Signer port, and what the KMS exports into the .pub file.
 */
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { chmod, link, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Failure } from '../../pipelines/contract/failures.ts'
import type { Signer } from '../ports.ts'
import { type KeyName, LOG_KEY, ONLINE_ROLES, type OnlineKeys, type RoleKeys } from '../trust/roles.ts'
import { makeDirectory, syncDirectory, writeTemporary } from './durable-file.ts'

/** The signers of the functions: whatever lies in their directory. Nothing is made here. */
export async function openOnlineKeys(directory: string): Promise<OnlineKeys> {
  const keys: Partial<Record<KeyName, RoleKeys>> = {}
  for (const role of [...ONLINE_ROLES, LOG_KEY] as const) {
    const signers = await openSigners(directory, role)
    if (signers.length === 0) {
      const message = `there is no ${join(directory, role)}-*.key: heddle trust init makes the keys of the functions`
      throw new Failure('metadata-untrusted', message)
    }
    keys[role] = { signers, threshold: 1 }
  }
  return keys as OnlineKeys
}

/** One key in a file of its own. */
export async function openSigner(file: string): Promise<Signer> {
  return memorySigner(createPrivateKey(await readFile(file, 'utf8')))
}

/** Every key of these directories, or those of a role. */
export async function openSigners(directory: string, role?: KeyName): Promise<Signer[]> {
  const files = await keyFiles(directory, '.key', role)
  return Promise.all(files.map(async (file) => memorySigner(createPrivateKey(await readFile(file, 'utf8')))))
}

/** Public halves of a role's keys, 32 bytes each. */
export async function readPublicKeys(directory: string, role: KeyName): Promise<Uint8Array[]> {
  const files = await keyFiles(directory, '.pub', role)
  return Promise.all(files.map(async (file) => rawPublicKey(createPublicKey(await readFile(file, 'utf8')))))
}

/** Operators by the names of their `<name>.pub` files. */
export async function readOperators(directory: string): Promise<{ name: string; publicKey: Uint8Array }[]> {
  const files = (await readdir(directory)).filter((file) => /^[a-z0-9][a-z0-9._-]*\.pub$/.test(file)).sort()
  return Promise.all(
    files.map(async (file) => ({
      name: file.replace(/\.pub$/, ''),
      publicKey: rawPublicKey(createPublicKey(await readFile(join(directory, file), 'utf8'))),
    })),
  )
}

/** An operator's key pair, `<name>.key` and `<name>.pub`; one that is there stays. */
export async function ensureOperator(directory: string, name: string): Promise<void> {
  await makeDirectory(directory)
  await ensureKey(directory, name)
}

/** Keys 1 to `count` of a role: those that aren't there are made. Processes may race: the first key stays. */
export async function ensureKeys(directory: string, role: KeyName, count: number): Promise<void> {
  await makeDirectory(directory)
  await chmod(directory, 0o700)
  for (let number = 1; number <= count; number++) await ensureKey(directory, `${role}-${number}`)
}

/** One more key of a role; its public half. */
export async function addKey(directory: string, role: KeyName): Promise<Uint8Array> {
  const numbers = (await keyFiles(directory, '.pub', role)).map((file) =>
    Number(/-(\d+)\.pub$/.exec(file)?.[1]),
  )
  const name = `${role}-${Math.max(0, ...numbers) + 1}`
  await makeDirectory(directory)
  await ensureKey(directory, name)
  return rawPublicKey(createPublicKey(await readFile(join(directory, `${name}.pub`), 'utf8')))
}

/** A Signer over a key that is in this process's memory. */
export function memorySigner(privateKey: KeyObject): Signer {
  return {
    publicKey: rawPublicKey(createPublicKey(privateKey)),
    sign: async (bytes) => new Uint8Array(sign(null, bytes, privateKey)),
  }
}

/** A .pub without a .key is the public half of a key that is elsewhere. */
async function ensureKey(directory: string, name: string): Promise<void> {
  const [key, pub] = [join(directory, `${name}.key`), join(directory, `${name}.pub`)]
  if ((await readFile(pub, 'utf8').catch(() => undefined)) !== undefined) return
  const { privateKey } = generateKeyPairSync('ed25519')
  await appear(directory, key, privateKey.export({ format: 'pem', type: 'pkcs8' }) as string, 0o600)
  const publicKey = createPublicKey(await readFile(key, 'utf8'))
  await appear(directory, pub, publicKey.export({ format: 'pem', type: 'spki' }) as string, 0o644)
}

/** Whole or not there; a file that is there stays. */
async function appear(directory: string, path: string, text: string, mode: number): Promise<void> {
  const written = await writeTemporary(directory, Buffer.from(text), mode)
  await link(written, path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error
  })
  await rm(written, { force: true })
  await syncDirectory(directory)
}

/** Paths in the order of their numbers; none when there is no such directory. */
async function keyFiles(directory: string, ending: '.key' | '.pub', role?: KeyName): Promise<string[]> {
  const names = await readdir(directory).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error
    return []
  })
  const wanted = new RegExp(`^${role ?? '[a-z]+'}-\\d+\\${ending}$`)
  const byNumber = new Intl.Collator('en', { numeric: true })
  return names
    .filter((name) => wanted.test(name))
    .sort(byNumber.compare)
    .map((name) => join(directory, name))
}

function rawPublicKey(key: KeyObject): Uint8Array {
  return new Uint8Array(key.export({ format: 'der', type: 'spki' }).subarray(-32))
}
