/** Lost and returning nodes at a real nats-server: who is revoked is out, at once and for good. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { connect, type NatsConnection, nkeyAuthenticator } from '@nats-io/transport-node'
import { createUser } from '@nats-io/nkeys'
import { admitNode, revokeNode } from '../../infra/nats/members.ts'
import { type PreparedNats, prepareNats } from '../../infra/nats/local-server.ts'
import { inbox, report } from '../../pipelines/contract/subjects.ts'
import { eventually } from '../fakes/local-delivery.ts'

const NODES = [
  { name: 'node-a', ring: 'canary' },
  { name: 'node-b', ring: 'canary' },
]
let directory: string
let prepared: PreparedNats
let server: ChildProcess
let url: string
const config = () => join(directory, 'nats.json')

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'heddle-members-'))
  await start()
})
afterEach(async () => {
  await stop()
  await rm(directory, { recursive: true, force: true })
})

async function start(): Promise<void> {
  prepared = await prepareNats(directory, '127.0.0.1', NODES)
  const [command = '', ...args] = prepared.command
  server = spawn(command, args, { stdio: 'ignore' })
  url = await eventually('nats', () => prepared.url())
}

async function stop(): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return
  const ended = once(server, 'exit')
  server.kill('SIGKILL')
  await ended
}

const seedOf = async (node: string) => Buffer.from((await readFile(prepared.seedOf(node), 'utf8')).trim())
const open = (node: string, seed: Uint8Array): Promise<NatsConnection> =>
  connect({
    servers: url,
    authenticator: nkeyAuthenticator(seed),
    inboxPrefix: inbox(node),
    reconnect: false,
  })

test('a revoked node is cut off and stays out, also after a restart of the bus; another goes on', async () => {
  const [lost, other] = [
    await open('node-a', await seedOf('node-a')),
    await open('node-b', await seedOf('node-b')),
  ]
  const { revoked, reloaded } = await revokeNode(config(), 'node-a')
  assert.equal(revoked.length, 1)
  assert.equal(reloaded, true)
  await lost.closed()
  await assert.rejects(open('node-a', await seedOf('node-a')))
  other.publish(report('node-b'), 'still here')
  await other.flush()
  assert.deepEqual((await revokeNode(config(), 'node-a')).revoked, [])
  await other.close()
  await stop()
  await start()
  await assert.rejects(open('node-a', await seedOf('node-a')))
})

test('a node comes back under its name with another key; the revoked key is never admitted', async () => {
  const { revoked } = await revokeNode(config(), 'node-a')
  const [old = ''] = revoked
  const pair = createUser()
  const admit = (nkey: string) => admitNode(config(), { name: 'node-a', ring: 'canary', nkey })
  await assert.rejects(admit(old), { code: 'metadata-untrusted' })
  assert.deepEqual(await admit(pair.getPublicKey()), { revoked: [], reloaded: true })
  const back = await eventually('the new key', () => open('node-a', pair.getSeed()).catch(() => undefined))
  await back.close()
  await assert.rejects(open('node-a', await seedOf('node-a')))
})

test('a key that is replaced is revoked by that', async () => {
  const node = await open('node-a', await seedOf('node-a'))
  const pair = createUser()
  const membership = await admitNode(config(), { name: 'node-a', ring: 'canary', nkey: pair.getPublicKey() })
  assert.equal(membership.revoked.length, 1)
  await node.closed()
  assert.deepEqual(await admitNode(config(), { name: 'node-a', ring: 'canary', nkey: pair.getPublicKey() }), {
    revoked: [],
    reloaded: true,
  })
})

test('a process that only has the number of a server that ended is left alone', async () => {
  await stop()
  // SIGHUP would end this very process.
  await writeFile(join(directory, 'nats.pid'), `${process.pid}`)
  assert.equal((await revokeNode(config(), 'node-a')).reloaded, false)
})
