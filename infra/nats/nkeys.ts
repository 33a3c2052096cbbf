/** NKEY seeds in files that only their owner reads. */
import { mkdir, open, readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { createUser, fromSeed, type KeyPair } from '@nats-io/nkeys'

/** The key of the seed in `file`, made when there is none. Run twice it changes nothing. */
export async function ensureKey(file: string, make: () => KeyPair): Promise<KeyPair> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 })
  const existing = await readFile(file).catch(() => undefined)
  if (existing !== undefined) return fromSeed(Buffer.from(existing.toString().trim()))
  const pair = make()
  const handle = await open(file, 'wx', 0o600)
  try {
    await handle.writeFile(`${Buffer.from(pair.getSeed()).toString()}\n`)
    await handle.sync()
  } finally {
    await handle.close()
  }
  return pair
}

/** Public key of a user. */
export async function ensureUserSeed(file: string): Promise<string> {
  return (await ensureKey(file, createUser)).getPublicKey()
}
