import assert from 'node:assert/strict'
import { createPublicKey, verify } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import {
  addKey,
  ensureKeys,
  openOnlineKeys,
  openSigners,
  readPublicKeys,
} from '../../../../functions/adapters/dev-keys.ts'
import { publicKeyObject } from '../../../../functions/trust/keys.ts'
import { LOG_KEY, ONLINE_ROLES } from '../../../../functions/trust/roles.ts'

let directory = ''
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'heddle-keys-'))
})
afterEach(() => rm(directory, { recursive: true, force: true }))

const ONLINE = [...ONLINE_ROLES, LOG_KEY] as const
const hex = (key: Uint8Array) => Buffer.from(key).toString('hex')
const rootKeys = async () => (await readPublicKeys(directory, 'root')).map(hex)

describe('development keys', () => {
  it('are all different, only their owner reads them, and their public halves lie beside them', async () => {
    const path = join(directory, 'keys')
    await ensureKeys(path, 'root', 3)
    const names = (await readdir(path)).sort()
    assert.deepEqual(
      names,
      [1, 2, 3].flatMap((n) => [`root-${n}.key`, `root-${n}.pub`]),
    )
    for (const name of names.filter((file) => file.endsWith('.key')))
      assert.equal((await stat(join(path, name))).mode & 0o777, 0o600)
    assert.equal((await stat(path)).mode & 0o777, 0o700)
    const publicKeys = (await readPublicKeys(path, 'root')).map(hex)
    assert.equal(new Set(publicKeys).size, 3)
    assert.deepEqual(
      publicKeys,
      (await openSigners(path, 'root')).map(({ publicKey }) => hex(publicKey)),
    )
  })

  it('are the same at the next start, and for processes that start at once', async () => {
    await Promise.all([1, 2, 3].map(() => ensureKeys(directory, 'root', 2)))
    const first = await rootKeys()
    await ensureKeys(directory, 'root', 2)
    assert.deepEqual(await rootKeys(), first)
    assert.deepEqual(
      first,
      (await openSigners(directory, 'root')).map(({ publicKey }) => hex(publicKey)),
    )
  })

  it('get another number each, and none is written over', async () => {
    await ensureKeys(directory, 'root', 1)
    const [first] = await rootKeys()
    const added = hex(await addKey(directory, 'root'))
    assert.deepEqual(await rootKeys(), [first, added])
  })

  it('are not made where only the public half lies: the key is elsewhere', async () => {
    await ensureKeys(directory, 'timestamp', 1)
    await rm(join(directory, 'timestamp-1.key'))
    await ensureKeys(directory, 'timestamp', 1)
    assert.deepEqual(await openSigners(directory, 'timestamp'), [])
  })

  it('sign what node:crypto verifies', async () => {
    for (const role of ONLINE) await ensureKeys(directory, role, 1)
    const [signer] = (await openOnlineKeys(directory)).policy.signers
    assert.ok(signer)
    const message = Buffer.from('message')
    assert.ok(verify(null, message, publicKeyObject(signer.publicKey), await signer.sign(message)))
    const pem = createPublicKey(await readFile(join(directory, 'policy-1.pub'), 'utf8'))
    assert.ok(verify(null, message, pem, await signer.sign(message)))
  })

  it('of the functions are four roles’ and the log’s, none of them offline; without one nothing starts', async () => {
    for (const role of ONLINE) await ensureKeys(directory, role, 1)
    await writeFile(join(directory, 'root-1.key'), 'no key at all, and never read')
    assert.deepEqual(Object.keys(await openOnlineKeys(directory)).sort(), [...ONLINE].sort())
    await rm(join(directory, 'release-1.key'))
    await assert.rejects(openOnlineKeys(directory), { code: 'metadata-untrusted' })
  })
})
