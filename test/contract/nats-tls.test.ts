/** Certificates at a real nats-server: who shows none, a foreign one or an ended one gets no further. */
import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { reportOf } from '../fakes/report.ts'
import { connect as tlsConnect } from 'node:tls'
import { connect, type TlsOptions } from '@nats-io/transport-node'
import { natsBus as nodeBus } from '../../agent/adapters/nats-bus.ts'
import { natsBus } from '../../functions/adapters/nats-bus.ts'
import {
  type Authority,
  ensureAuthority,
  ensureTlsKey,
  requestFor,
  signRequest,
  type Use,
} from '../../infra/nats/certificates.ts'
import { type PreparedCluster, prepareCluster } from '../../infra/nats/local-cluster.ts'
import { admitNode, busFiles, publishMembers } from '../../infra/nats/members.ts'
import { ensureUserSeed } from '../../infra/nats/nkeys.ts'
import { busCertificateKey } from '../../pipelines/contract/object-keys.ts'
import {
  killServer,
  noServer,
  optionsOf,
  settingsOf,
  shownBy,
  startServer,
  tlsOptions,
} from '../fakes/bus-member.ts'
import { freePort } from '../fakes/free-port.ts'
import { eventually } from '../fakes/local-delivery.ts'
import { memoryStore } from '../fakes/memory-store.ts'

const HOUR_MS = 3_600_000
const store = memoryStore()
let directory: string
let prepared: PreparedCluster
let routePort: number
let server: ChildProcess
let url: string
let ours: Authority
let foreign: Authority

describe('certificates of the bus', { skip: noServer, timeout: 60_000 }, () => {
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'heddle-tls-'))
    routePort = await freePort()
    const nodes = [{ name: 'node-1', ring: 'canary' }]
    // Of the second server there is only its name.
    const routePorts = [routePort, await freePort()]
    prepared = await prepareCluster(join(directory, 'nats'), { host: '127.0.0.1', routePorts, nodes })
    const [first] = prepared.servers
    await prepared.publish(store)
    server = startServer(first?.command ?? [])
    url = await eventually('nats', () => first?.url())
    ours = await ensureAuthority(busFiles(prepared.directory).keys, 'clients')
    foreign = await ensureAuthority(join(directory, 'foreign'), 'clients')
  })
  after(async () => {
    await killServer(server)
    await rm(directory, { recursive: true, force: true })
  })

  const open = async (tls: TlsOptions | undefined) => {
    const { authenticator } = await shownBy(prepared, store, 'node-1')
    return connect({
      servers: url,
      ...(authenticator === undefined ? {} : { authenticator }),
      ...(tls === undefined ? {} : { tls }),
      reconnect: false,
      timeout: 5_000,
    })
  }
  /** A fresh key with a certificate of that kind. */
  async function leaf(signer: Authority, use: Use, days = 1): Promise<TlsOptions> {
    const keyFile = join(directory, `${use}-${days}.key`)
    await ensureTlsKey(keyFile)
    const cert = await signRequest(signer, await requestFor(keyFile, 'x'), { name: 'node-1', use, days })
    return tlsOptions({ keyFile, cert, caFile: ours.certificate })
  }

  test('node and functions show each other’s server what it asks for, and a report travels', async () => {
    const functions = natsBus({ url, ...(await settingsOf(prepared)), log: () => {} })
    const heard = new Promise<number>((resolve) => functions.onReport(({ sequence }) => resolve(sequence)))
    const node = nodeBus(optionsOf(prepared, store, { node: 'node-1', ring: 'canary', url }), () => {})
    const report = reportOf({ sequence: 7, outcome: 'enforced', number: 1, generation: 1 })
    try {
      await eventually('a way for the report', () =>
        node.report(report).then(
          () => true,
          () => undefined,
        ),
      )
      assert.equal(await heard, 7)
    } finally {
      await node.close()
      await functions.close()
    }
  })

  const refused: [string, () => Promise<TlsOptions | undefined>][] = [
    ['no certificate', async () => tlsOptions({ caFile: ours.certificate })],
    ['no TLS at all', async () => undefined],
    ['a certificate of another authority', () => leaf(foreign, 'client')],
    ['a certificate that has ended', () => leaf(ours, 'client', 0)],
    ['a server’s certificate', () => leaf(ours, 'server')],
    [
      'a certificate whose key it has not',
      async () => ({ ...(await leaf(ours, 'client')), keyFile: join(directory, 'server-1.key') }),
    ],
  ]
  for (const [what, show] of refused) {
    test(`a client with ${what} is refused, although its JWT is good`, async () => {
      const tls = await show()
      await assert.rejects(open(tls))
    })
  }

  test('with a good one it is let in', async () => {
    const connection = await open(await leaf(ours, 'client'))
    await connection.close()
  })

  test('a server of another authority is not believed', async () => {
    const tls = await leaf(ours, 'client')
    await assert.rejects(open({ ...tls, caFile: foreign.certificate }))
  })

  test('a node is admitted with its request, under the name that who admits has chosen', async () => {
    const { seed, tls } = prepared.accessOf('node-2')
    await ensureTlsKey(tls?.key ?? '')
    const nkey = await ensureUserSeed(seed)
    const request = await requestFor(tls?.key ?? '', 'node-1')
    await admitNode(prepared.directory, { node: 'node-2', ring: 'canary', nkey }, request)
    await publishMembers(prepared.directory, store, HOUR_MS)
    const pem = Buffer.from(store.objects.get(busCertificateKey('node-2')) ?? [])
    assert.equal(new X509Certificate(pem).subject, 'CN=node-2')
    const connection = await connect({ servers: url, ...(await shownBy(prepared, store, 'node-2')) })
    await connection.close()
    await assert.rejects(admitNode(prepared.directory, { node: 'node-2', ring: 'canary', nkey }, 'hello'), {
      code: 'metadata-untrusted',
    })
  })

  /** Whether the server answers who comes as a server of its cluster. */
  async function opensRoute(shown: Authority, ca: string): Promise<boolean> {
    const [cert, key] = [await readFile(shown.certificate), await readFile(shown.key)]
    const to = { port: routePort, host: '127.0.0.1', cert, key, ca: await readFile(ca) }
    const route = tlsConnect(to)
    const answered = await new Promise<boolean>((resolve) => {
      route.on('data', (bytes) => resolve(bytes.toString().startsWith('INFO ')))
      for (const end of ['error', 'close']) route.on(end, () => resolve(false))
    })
    route.destroy()
    return answered
  }

  test('a server of the cluster opens a route; a node with its own certificate does not', async () => {
    const { keys, servers, certificate } = busFiles(prepared.directory)
    const ca = join(keys, 'routes-ca.pem')
    const at = (name: string) => join(servers, 'nats-2', name)
    assert.equal(await opensRoute({ certificate: at('route.pem'), key: at('route.key') }, ca), true)
    const { tls } = prepared.accessOf('node-1')
    assert.equal(await opensRoute({ certificate: certificate('node-1'), key: tls?.key ?? '' }, ca), false)
    assert.equal(await opensRoute({ certificate: at('server.pem'), key: at('server.key') }, ca), false)
  })

  test('keys and certificates that are there stay', async () => {
    const before = await readFile(ours.certificate)
    await ensureAuthority(busFiles(prepared.directory).keys, 'clients')
    assert.deepEqual(await readFile(ours.certificate), before)
    const key = join(directory, 'kept.key')
    await writeFile(key, 'mine')
    await ensureTlsKey(key)
    assert.equal(await readFile(key, 'utf8'), 'mine')
  })
})
