import assert from 'node:assert/strict'
import { verify } from 'node:crypto'
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { openDevKeys } from '../../../../functions/adapters/dev-keys.ts'
import { publicKeyObject } from '../../../../functions/trust/keys.ts'
import { ROLES } from '../../../../functions/trust/roles.ts'

let directory = ''
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'heddle-keys-'))
})
afterEach(() => rm(directory, { recursive: true, force: true }))

const publicKeys = (keys: Awaited<ReturnType<typeof openDevKeys>>) =>
  ROLES.map((role) => Buffer.from(keys[role].signers[0]?.publicKey ?? []).toString('hex'))

describe('development keys', () => {
  it('are one a role, all different, and only their owner reads them', async () => {
    const path = join(directory, 'keys')
    assert.equal(new Set(publicKeys(await openDevKeys(path))).size, ROLES.length)
    assert.deepEqual((await readdir(path)).sort(), ROLES.map((role) => `${role}.key`).sort())
    for (const name of await readdir(path)) assert.equal((await stat(join(path, name))).mode & 0o777, 0o600)
    assert.equal((await stat(path)).mode & 0o777, 0o700)
  })

  it('are the same at the next start, and for processes that start at once', async () => {
    const opened = await Promise.all([openDevKeys(directory), openDevKeys(directory), openDevKeys(directory)])
    for (const keys of opened) assert.deepEqual(publicKeys(keys), publicKeys(await openDevKeys(directory)))
  })

  it('sign what node:crypto verifies', async () => {
    const [signer] = (await openDevKeys(directory)).policy.signers
    assert.ok(signer)
    const message = Buffer.from('message')
    assert.ok(verify(null, message, publicKeyObject(signer.publicKey), await signer.sign(message)))
  })
})
