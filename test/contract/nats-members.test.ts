/** Lost and returning nodes at a real nats-server: who is revoked is out, at once and for good. */
import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { reportOf } from '../fakes/report.ts'
import { createUser, type KeyPair } from '@nats-io/nkeys'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { natsLink } from '../../agent/adapters/nats-link.ts'
import { natsBus } from '../../functions/adapters/nats-bus.ts'
import { natsIssuer } from '../../functions/adapters/nats-issuer.ts'
import { renewal } from '../../functions/bus/renewal.ts'
import { type PreparedNats, prepareNats } from '../../infra/nats/local-server.ts'
import { admitNode, publishMembers, revokeNode } from '../../infra/nats/members.ts'
import { BUS_MEMBERS_KEY, busJwtKey } from '../../pipelines/contract/object-keys.ts'
import { hint, inbox, report } from '../../pipelines/contract/subjects.ts'
import {
  keysIn,
  killServer,
  noServer,
  optionsOf,
  quiet,
  settingsOf,
  shownByFunctions,
  startServer,
} from '../fakes/bus-member.ts'
import { systemClock } from '../fakes/keys.ts'
import { eventually } from '../fakes/local-delivery.ts'
import { memoryStore } from '../fakes/memory-store.ts'

const NODES = [
  { name: 'node-a', ring: 'canary' },
  { name: 'node-b', ring: 'canary' },
]
const HOUR_MS = 3_600_000
const REPORT = reportOf({ node: 'node-b' })
let directory: string
let store: ReturnType<typeof memoryStore>
let prepared: PreparedNats
let server: ChildProcess
let url: string

async function start(): Promise<void> {
  prepared = await prepareNats(directory, '127.0.0.1', NODES)
  await prepared.publish(store)
  server = startServer(prepared.command)
  url = await eventually('nats', () => prepared.url())
}

const keysOf = (node: string) => keysIn(prepared.accessOf(node).seed)
const jwtOf = (node: string) => Buffer.from(store.objects.get(busJwtKey(node)) ?? []).toString()
const open = async (node: string, keys?: KeyPair, jwt = jwtOf(node)): Promise<NatsConnection> =>
  connect({
    servers: url,
    authenticator: quiet(jwt, keys ?? (await keysOf(node))),
    inboxPrefix: inbox(node),
    reconnect: false,
  })
/** A JWT of the right signer, for whatever is asked. */
async function issued(node: string, nkey: string, lastsMs: number): Promise<string> {
  const { credentials } = await settingsOf(prepared)
  const member = { node, ring: 'canary', nkey }
  return Buffer.from(await natsIssuer(credentials).issue(member, new Date(Date.now() + lastsMs))).toString()
}
const member = (nkey: string) => ({ node: 'node-a', ring: 'canary', nkey })

describe('members of a bus', { skip: noServer }, () => {
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'heddle-members-'))
    store = memoryStore()
    await start()
  })
  afterEach(async () => {
    await killServer(server)
    await rm(directory, { recursive: true, force: true })
  })

  test('a revoked node is cut off and stays out, whoever signs for it, also after a restart of the bus; another goes on', async () => {
    const [lost, other] = [await open('node-a'), await open('node-b')]
    const stolen = { keys: await keysOf('node-a'), jwt: jwtOf('node-a') }
    const { revoked, reloaded } = await revokeNode(directory, 'node-a')
    assert.equal(revoked.length, 1)
    assert.deepEqual(reloaded, ['nats'])
    await lost.closed()
    await assert.rejects(open('node-a', stolen.keys, stolen.jwt))
    const late = await issued('node-a', revoked[0] ?? '', HOUR_MS)
    await assert.rejects(open('node-a', stolen.keys, late))
    other.publish(report('node-b'), 'still here')
    await other.flush()
    assert.deepEqual((await revokeNode(directory, 'node-a')).revoked, [])
    await other.close()
    await killServer(server)
    await start()
    await assert.rejects(open('node-a', stolen.keys, late))
  })

  test('nodes and functions do not notice that others come and go', async () => {
    let opened = 0
    const link = natsLink(optionsOf(prepared, store, { node: 'node-b', ring: 'canary', url }), () => {})
    link.use({ online: () => void opened++ })
    const functions = natsBus({ url, ...(await settingsOf(prepared)), log: () => {} })
    const heard = new Set<number>()
    functions.onReport(({ sequence }) => heard.add(sequence))
    const says = (sequence: number) =>
      eventually(`report ${sequence}`, () => {
        link.connection()?.publish(report('node-b'), JSON.stringify({ ...REPORT, sequence }))
        return heard.has(sequence) ? true : undefined
      })
    try {
      await says(1)
      const lost = await open('node-a')
      await revokeNode(directory, 'node-a')
      await lost.closed()
      // The reload is over where somebody new is let in.
      await (await open('node-b')).close()
      await says(2)
      assert.equal(opened, 1)
    } finally {
      await link.close()
      await functions.close()
    }
  })

  test('a node that moves to another ring is given a JWT for that one', async () => {
    const keys = await keysOf('node-a')
    await admitNode(directory, { ...member(keys.getPublicKey()), ring: 'prod' })
    assert.equal((await publishMembers(directory, store, HOUR_MS)).issued, 1)
    const moved = await open('node-a', keys)
    const hints = moved.subscribe(hint('prod'), { max: 1 })
    await moved.flush()
    const functions = await connect({ servers: url, ...(await shownByFunctions(prepared)) })
    functions.publish(hint('prod'))
    for await (const { subject } of hints) assert.equal(subject, hint('prod'))
    await functions.close()
    await moved.close()
  })

  test('who renews believes no list of members but its own account’s', async () => {
    const other = await prepareNats(join(directory, 'other'), '127.0.0.1', NODES)
    const theirs = memoryStore()
    await other.publish(theirs)
    const { credentials } = await settingsOf(prepared)
    const ports = { store: theirs, issuer: natsIssuer(credentials), clock: systemClock }
    await assert.rejects(renewal(ports, HOUR_MS)(), { code: 'metadata-untrusted' })
    store.objects.set(BUS_MEMBERS_KEY, Buffer.from('a.b.c'))
    await assert.rejects(renewal({ ...ports, store }, HOUR_MS)(), { code: 'metadata-untrusted' })
  })

  test('renewal of a revoked node stops', async () => {
    await revokeNode(directory, 'node-a')
    for (const { name } of NODES) store.objects.delete(busJwtKey(name))
    const { members, issued: made } = await publishMembers(directory, store, HOUR_MS)
    assert.deepEqual({ members, made }, { members: 1, made: 1 })
    assert.equal(jwtOf('node-a'), '')
  })

  test('a node comes back under its name with another key; the revoked key is never admitted', async () => {
    const { revoked } = await revokeNode(directory, 'node-a')
    const [old = ''] = revoked
    const pair = createUser()
    await assert.rejects(admitNode(directory, member(old)), { code: 'metadata-untrusted' })
    await assert.rejects(admitNode(directory, member(`U${'A'.repeat(55)}`)), { code: 'schema-violation' })
    const nkey = pair.getPublicKey()
    assert.deepEqual(await admitNode(directory, member(nkey)), { revoked: [], reloaded: ['nats'] })
    await publishMembers(directory, store, HOUR_MS)
    const back = await open('node-a', pair)
    await back.close()
    await assert.rejects(open('node-a'))
  })

  test('a key that is replaced is revoked by that', async () => {
    const node = await open('node-a')
    const nkey = createUser().getPublicKey()
    assert.equal((await admitNode(directory, member(nkey))).revoked.length, 1)
    await node.closed()
    assert.deepEqual(await admitNode(directory, member(nkey)), { revoked: [], reloaded: ['nats'] })
  })

  test('a JWT lets in the key that it was made for, under its name, until its end', async () => {
    const nkey = JSON.parse(Buffer.from(jwtOf('node-a').split('.')[1] ?? '', 'base64url').toString()).sub
    await assert.rejects(open('node-a', await keysOf('node-a'), await issued('node-a', nkey, -1_000)))
    await assert.rejects(open('node-a', await keysOf('node-a'), jwtOf('node-b')), 'another node’s JWT')
    await assert.rejects(open('node-b', await keysOf('node-a'), jwtOf('node-b')), 'another node’s key')
    const short = await open('node-a', undefined, await issued('node-a', nkey, 1_500))
    await short.closed()
  })

  test('a process that only has the number of a server that ended is left alone', async () => {
    await killServer(server)
    // SIGHUP would end this very process.
    await writeFile(join(directory, 'servers', 'nats', 'nats.pid'), `${process.pid}`)
    assert.deepEqual((await revokeNode(directory, 'node-a')).reloaded, [])
  })
})
