/** A node whose JWT ends again and again, at a real nats-server: it gets the next one from the store. */
import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { type NatsLink, natsLink } from '../../agent/adapters/nats-link.ts'
import { natsIssuer } from '../../functions/adapters/nats-issuer.ts'
import { renewal } from '../../functions/bus/renewal.ts'
import { type PreparedNats, prepareNats } from '../../infra/nats/local-server.ts'
import { busJwtKey } from '../../pipelines/contract/object-keys.ts'
import { hint } from '../../pipelines/contract/subjects.ts'
import {
  killServer,
  noServer,
  optionsOf,
  settingsOf,
  shownByFunctions,
  startServer,
} from '../fakes/bus-member.ts'
import { systemClock } from '../fakes/keys.ts'
import { eventually } from '../fakes/local-delivery.ts'
import { memoryStore } from '../fakes/memory-store.ts'

const DEEP = process.env['HEDDLE_DEEP'] === '1'
/** The shortest that JWTs, which count in seconds, can say of a life. */
const LIFE_MS = 2_000
const LOOK_MS = 100
const KEY = busJwtKey('node-1')

describe('renewal', { skip: noServer, timeout: 60_000 }, () => {
  let directory: string
  let prepared: PreparedNats
  let store: ReturnType<typeof memoryStore>
  let server: ChildProcess
  let functions: NatsConnection
  let link: NatsLink | undefined
  let renew: () => Promise<unknown>
  let hints: number
  let opened: number
  let lines: string[]

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'heddle-renewal-'))
    prepared = await prepareNats(directory, '127.0.0.1', [{ name: 'node-1', ring: 'canary' }])
    store = memoryStore()
    // Signs the list of members; nobody has a JWT by it for longer than the tests say.
    await prepared.publish(store, LIFE_MS)
    server = startServer(prepared.command)
    const servers = await eventually('nats', () => prepared.url())
    functions = await connect({ servers, ...(await shownByFunctions(prepared)) })
    const { credentials } = await settingsOf(prepared)
    renew = renewal({ store, issuer: natsIssuer(credentials), clock: systemClock }, LIFE_MS)
    ;[hints, opened, lines] = [0, 0, []]
  })
  afterEach(async () => {
    await link?.close()
    await functions.close()
    await killServer(server)
    await rm(directory, { recursive: true, force: true })
  })

  async function join1(): Promise<NatsLink> {
    const url = (await prepared.url()) ?? ''
    const options = optionsOf(prepared, store, { node: 'node-1', ring: 'canary', url })
    const made = natsLink({ ...options, lookMs: LOOK_MS }, (line) => void lines.push(line))
    made.use({
      connected: (connection) => {
        connection.subscribe(hint('canary'), { callback: () => void hints++ })
      },
      online: () => void opened++,
    })
    link = made
    return made
  }
  /** A hint that is sent now arrives. */
  const hears = () => {
    const before = hints
    return eventually('a hint', () => {
      functions.publish(hint('canary'))
      return hints > before ? true : undefined
    })
  }
  const stored = () => Buffer.from(store.objects.get(KEY) ?? []).toString()

  test('the next JWT is shown before the last one ends, and subscriptions go on', async () => {
    await join1()
    await hears()
    const first = stored()
    await eventually('a renewed JWT', async () => {
      await renew()
      return stored() !== first ? true : undefined
    })
    await eventually('a second connection', () => (opened === 2 ? true : undefined))
    await hears()
    assert.deepEqual(lines, ['bus: disconnect'], 'the bus has refused nothing')
  })

  test('without renewal the bus ends the node’s connection; it comes back with the first JWT after that', async () => {
    const { connection } = await join1()
    await hears()
    await eventually('the end', () => (connection() === undefined ? true : undefined))
    await renew()
    await hears()
    assert.ok(opened >= 2)
  })

  test('a node that was away for longer than its JWT lived comes back, and so does one that was never admitted', {
    skip: !DEEP && 'HEDDLE_DEEP=1',
  }, async () => {
    const good = stored()
    store.objects.delete(KEY)
    const { connection } = await join1()
    assert.equal(connection(), undefined)
    await link?.close()
    store.objects.set(KEY, Buffer.from(good))
    await join1()
    await hears()
    await link?.close()
    const ended = Date.now() + LIFE_MS
    await eventually('the end of the kept JWT', () => (Date.now() > ended ? true : undefined))
    await renew()
    await join1()
    await hears()
  })

  test('a store that lies keeps a node away for as long as it lies', async () => {
    const { credentials } = await settingsOf(prepared)
    const claims = JSON.parse(Buffer.from(stored().split('.')[1] ?? '', 'base64url').toString())
    const far = { ...claims, exp: claims.exp + 1_000_000 }
    const [head, , signature] = stored().split('.')
    const forged = `${head}.${Buffer.from(JSON.stringify(far)).toString('base64url')}.${signature}`
    store.objects.set(KEY, Buffer.from(forged))
    await join1()
    const { disk } = optionsOf(prepared, store, { node: 'node-1', ring: 'canary', url: '' })
    await eventually('what it has taken', async () => {
      return Buffer.from((await disk.read('bus.jwt')) ?? []).toString() === forged ? true : undefined
    })
    const member = { node: 'node-1', ring: 'canary', nkey: claims.sub }
    const good = await natsIssuer(credentials).issue(member, new Date(Date.now() + LIFE_MS))
    store.objects.set(KEY, good)
    await hears()
  })
})
