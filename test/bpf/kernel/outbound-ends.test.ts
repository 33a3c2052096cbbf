/** The client side where something ends or is refused: clients, servers, the relay; and inbound rules on this way. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { Policy } from '../../../pipelines/policy/model.ts'
import { listeningSocket } from '../../fakes/listening-sockets.ts'
import { whyNoKernel } from './kernel-fixture.ts'
import { responses } from './outbound-connection.ts'
import { OutboundFixture } from './outbound-fixture.ts'

const skip = whyNoKernel()
const source = { file: 'ends.yaml', line: 1, column: 1 }
const get = (target: string) => `GET ${target} HTTP/1.1\r\nHost: front\r\n\r\n`

/** Workloads `app` of namespace shop may ask for what ends in plain; everybody else for nothing. */
const plainFor = (app: string): Policy => ({
  name: 'plain',
  namespace: 'shop',
  source,
  subject: { namespaces: ['shop'], requirements: [] },
  unparsed: 'refuse',
  selects: true,
  allow: [
    {
      source,
      peers: [
        {
          kind: 'endpoints',
          selector: {
            namespaces: ['shop'],
            requirements: [{ key: 'app', operator: 'In', values: [app] }],
          },
        },
      ],
      ports: null,
      http: [{ source, method: 'GET', path: '/.*/plain', headers: [] }],
    },
  ],
  deny: [],
})

describe('outbound ends', { skip, concurrency: false }, () => {
  let node: OutboundFixture
  before(async () => {
    node = await OutboundFixture.create()
  })
  after(() => node.close())

  it('a client that goes away takes the request with it that its server works on', async () => {
    const client = await node.openWarm()
    client.send(get('/a/never'))
    await node.until(async () => node.ways().KERNEL_ROUTED > 0)
    client.command('destroy')
    await node.until(async () => node.closed.includes('/a/never'))
  })

  it('a client that ends its side still gets its answer, and then an end', async () => {
    const client = await node.openWarm()
    client.send(get('/a/plain'))
    client.command('end')
    await client.until(() => client.end === 'FIN')
    assert.match(client.text, /^HTTP\/1\.1 200 OK\r\n[\s\S]+a \d+ GET \/a\/plain 0:0 $/)
  })

  it('a byte that no body may have ends its connection, and the server does not get what follows it', async () => {
    const client = await node.openWarm()
    const refused = node.ways().SLOW_HEAD
    client.send('POST /a/plain HTTP/1.1\r\nHost: front\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello')
    // Each in a message of its own. Without the x it would be a body, and be answered.
    for (const part of ['x', '\r\n', '0\r\n', '\r\n', get('/b/plain')]) client.send(part)
    await client.until(() => client.closed)
    assert.equal(client.text, '')
    assert.ok(node.ways().SLOW_HEAD > refused, 'it was not the kernel that read it')
    // The relay lives.
    assert.match(await (await node.openWarm()).get('/a/plain'), /a \d+ GET/)
  })

  it('what a client kept serves the next one', async () => {
    const first = await node.openWarm()
    await first.get('/a/plain')
    const open = async () => (await node.stats()).outbound?.['upstreams']
    const clients = async () => {
      const { connections } = (await node.stats()).outbound as Record<string, Record<string, number>>
      return connections?.['open'] ?? 0
    }
    const [before, known] = [await open(), await clients()]
    first.command('destroy')
    // Not before the relay knows: it would make room for two.
    await node.until(async () => (await clients()) < known)
    const second = await node.openWarm()
    assert.match(await second.get('/a/plain'), /a \d+ GET/)
    assert.equal(await open(), before)
  })

  it('a server that closes a connection between two requests costs its client nothing', async () => {
    const client = await node.openWarm()
    for (let i = 0; i < 5; i++) {
      assert.match(await client.get('/a/fickle'), /^HTTP\/1\.1 200 /)
      const closed = node.closed.length
      await node.until(async () => node.closed.length > closed)
      assert.match(await client.get('/b/plain'), /^HTTP\/1\.1 200 /)
    }
    assert.match(await client.get('/a/plain'), /^HTTP\/1\.1 200 /)
  })

  it('inbound rules judge by the identity of the caller, and a refused request leaves the connection open', async () => {
    const client = await node.openWarm()
    await node.enforce(2, [plainFor('caller')])
    assert.match(await client.get('/a/plain'), /a \d+ GET/)
    assert.match(await client.get('/a/204'), /^HTTP\/1\.1 403 /)
    assert.match(await client.get('/b/plain'), /b \d+ GET/)
    client.forget()
    client.send(get('/a/plain') + get('/a/no') + get('/b/plain'))
    await client.until(() => responses(client.text) === 3)
    assert.match(client.text, /a \d+ GET \/a\/plain[\s\S]+ 403 [\s\S]+b \d+ GET \/b\/plain/)
    // No rule of any kind for this caller: that is no request to be answered.
    await node.enforce(3, [plainFor('somebody-else')])
    client.send(get('/a/plain'))
    await client.until(() => client.closed)
    assert.equal(client.failure, 'ECONNRESET')
    await node.enforce(4, [])
    assert.match(await (await node.openWarm()).get('/a/plain'), /a \d+ GET/)
  })

  it('a relay that is told to stop ends connections at a message boundary; the next one serves at once', async () => {
    const idle = await node.openWarm()
    await node.stopRelay('SIGTERM')
    await idle.until(() => idle.end === 'FIN' || idle.closed)
    assert.equal(idle.failure, undefined)
    const refused = await node.open()
    assert.equal(refused.failure, 'ECONNREFUSED')
    await node.startRelay()
    assert.match(await (await node.openWarm()).get('/a/plain'), /a \d+ GET/)
  })

  it('a relay that is killed leaves nobody waiting, and nothing that the next one trips over', async () => {
    const waiting = await node.openWarm()
    waiting.send(get('/a/never'))
    await node.stopRelay('SIGKILL')
    await waiting.until(() => waiting.end === 'FIN' || waiting.closed)
    assert.equal((await node.open()).failure, 'ECONNREFUSED')
    await node.startRelay()
    const client = await node.openWarm()
    for (let i = 0; i < 20; i++) assert.match(await client.get(`/${i % 2 ? 'a' : 'b'}/plain`), /200 OK/)
  })

  it('the next relay settles what clients have under way whom the killed one had not accepted', async (t) => {
    const listener = listeningSocket()
    t.after(() => listener.close())
    await node.stopRelay('SIGTERM')
    await node.startRelay(listener.fd)
    const warm = await node.openWarm()
    await node.openWarm()
    warm.command('destroy')
    await warm.until(() => warm.closed)
    node.freezeRelay()
    const [unanswered, begun] = [await node.open(), await node.open()]
    const before = node.ways().KERNEL_ROUTED
    assert.match(await unanswered.get('/a/plain'), /a \d+ GET/)
    unanswered.send(get('/a/never'))
    begun.send(get('/b/half'))
    await begun.until(() => begun.text.includes('\r\n\r\n'))
    assert.equal(node.ways().KERNEL_ROUTED, before + 3)
    await node.stopRelay('SIGKILL')
    unanswered.forget()
    unanswered.send(get('/b/plain'))
    await node.startRelay(listener.fd)
    await unanswered.until(() => unanswered.end === 'FIN')
    assert.match(unanswered.text, /^HTTP\/1\.1 503 [\s\S]+\r\n\r\n$/)
    await begun.until(() => begun.closed)
    assert.equal(begun.failure, 'ECONNRESET')
    assert.match(await (await node.openWarm()).get('/a/plain'), /200 OK/)
  })
})
