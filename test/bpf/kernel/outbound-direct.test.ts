/**
 * Connections past the relay: to a service whose one endpoint is another node's and that no route says more
 * of. The endpoint of these tests is a server outside of the managed cgroup: to this node, elsewhere.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { DirectLayout, Limit } from '../../../bpf/abi/heddle.gen.ts'
import type { Route } from '../../../pipelines/policy/route.ts'
import { entriesInUse, type Place, writeEndpoint, writeService } from './direct-entries.ts'
import { fillUp } from './full-maps.ts'
import { whyNoKernel } from './kernel-fixture.ts'
import { type Connection, responses } from './outbound-connection.ts'
import { FRONT_ROUTE, OutboundFixture, rule } from './outbound-fixture.ts'

const skip = whyNoKernel()
const FAR = { host: '10.96.0.3', port: 80 }
const NUMBER = 20
const ENDPOINT = 20
/** Another service with the same endpoint. */
const FULL = { host: '10.96.0.4', port: 80 }
const FULL_NUMBER = 21
const GONE = { host: '10.96.0.5', port: 80 }
const GONE_NUMBER = 22
const SERVER = fileURLToPath(new URL('./outbound-server.js', import.meta.url))
/** Connects, asks, breaks off by AF_UNSPEC, and again with the same socket; between two rounds it waits for a line. */
const AGAIN = `
import ctypes, socket, sys
libc = ctypes.CDLL(None, use_errno=True)
s = socket.socket()
for _ in range(3):
    s.connect((sys.argv[1], int(sys.argv[2])))
    print("refused:", s.connect_ex((sys.argv[1], int(sys.argv[2]))), flush=True)
    s.sendall(b"GET /f/plain HTTP/1.1\\r\\nHost: far\\r\\n\\r\\n")
    print(s.recv(65536).split(b"\\r\\n")[0].decode(), flush=True)
    libc.connect(s.fileno(), bytes(16), 16)
    sys.stdin.readline()
`
const get = (target: string) => `GET ${target} HTTP/1.1\r\nHost: far\r\n\r\n`
const BODY = 'x'.repeat(200_000)

const FAR_ROUTE: Route = {
  ...FRONT_ROUTE,
  name: 'far',
  service: { namespace: 'shop', name: 'far', port: 80 },
  rules: [rule('/f', 'far'), rule('/a', 'a')],
}

describe('outbound direct', { skip, concurrency: false }, () => {
  let node: OutboundFixture
  let generation = 1

  before(async () => {
    node = await OutboundFixture.create()
    node.numbers.set('shop/far:80', NUMBER)
    await node.enforce(generation, [])
    await endpoint(ENDPOINT, await node.startServer('f', true), 100)
    await service(NUMBER, FAR, 100)
  })
  after(() => node.close())

  const endpoint = (number: number, port: number, first: number) =>
    writeEndpoint(node, { number, port, first })
  const service = (number: number, at: Place, first: number, count = 1) =>
    writeService(node, { number, at, first, count })

  const routes = async (...more: Route[]) => node.enforce(++generation, [], [FRONT_ROUTE, ...more])

  const inUse = () => entriesInUse(node)

  const taken = async () =>
    ((await node.stats()).outbound?.['connections'] as { taken: number } | undefined)?.taken

  /** A connection that the relay has no part in. */
  async function openDirect(): Promise<Connection> {
    let found: Connection | undefined
    await node.until(async () => {
      const before = inUse()
      const connection = await node.open(FAR)
      assert.match(await connection.get('/f/plain'), /f \d+ GET/)
      if (inUse() > before) found = connection
      else connection.command('destroy')
      return found !== undefined
    })
    found?.forget()
    return found as Connection
  }

  it('shows the service as the peer, and asks nothing of the relay', async () => {
    const client = await openDirect()
    assert.equal(client.peer, `${FAR.host} ${FAR.port}`)
    const [before, connections] = [node.ways(), await taken()]
    for (let i = 0; i < 20; i++) assert.match(await client.get(`/f/plain?n=${i}`), /f \d+ GET/)
    assert.deepEqual(node.ways(), { ...before, KERNEL_ROUTED: before.KERNEL_ROUTED + 20 })
    assert.equal(await taken(), connections)
  })

  it('follows bodies both ways, HEAD, 204, interim and chunked responses', async () => {
    const client = await openDirect()
    const before = node.ways().KERNEL_ROUTED
    client.send(`POST /f/plain HTTP/1.1\r\nHost: far\r\nContent-Length: ${BODY.length}\r\n\r\n${BODY}`)
    await client.until(() => responses(client.text) === 1)
    assert.match(client.text, new RegExp(`POST /f/plain ${BODY.length}:`))
    for (const manner of ['204', 'chunked', 'interim', 'pieces', 'big-300000', 'plain']) {
      client.forget()
      client.send(get(`/f/${manner}`))
      await client.until(() => /\r\n\r\n/.test(client.text) && done(manner, client.text))
    }
    assert.equal(node.ways().KERNEL_ROUTED, before + 7)
  })

  it('meets routes that are newer than the connection with its next request', async () => {
    const client = await openDirect()
    await routes(FAR_ROUTE)
    // Connections of now are led to the relay already.
    const later = await node.open(FAR)
    assert.match(await client.get('/f/plain'), /f \d+ GET/)
    assert.match(await client.get('/nowhere'), /^HTTP\/1\.1 404 /)
    // The pool of another service's endpoint may be there, or not.
    assert.match(await client.get('/a/plain'), /a \d+ GET|^HTTP\/1\.1 503 [\s\S]*Connection: close/)
    assert.match(await later.get('/a/plain'), /a \d+ GET/)
    await routes()
  })

  it('a request that only the relay could route is told to come again, and then comes through it', async () => {
    const client = await openDirect()
    await routes({ ...FAR_ROUTE, rules: [{ ...rule('/f', 'far'), requestTimeout: 5_000 }] })
    assert.match(await client.get('/f/plain'), /^HTTP\/1\.1 503 [\s\S]*Connection: close/)
    assert.match(await (await node.open(FAR)).get('/f/plain'), /f \d+ GET/)
    await routes()
  })

  it('what can not be read, and what is pipelined, goes to its endpoint as it is', async () => {
    for (const sent of [
      'GET /f/plain HTTP/1.0\r\nHost: far\r\n\r\n',
      `GET /f/plain HTTP/1.1\r\nHost: far\r\nX-Long: ${'x'.repeat(6000)}\r\n\r\n`,
      'POST /f/plain HTTP/1.1\r\nHost: far\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n',
    ]) {
      const client = await openDirect()
      client.send(sent)
      if (sent.includes('chunked')) client.send('abc\r\n0\r\n\r\n')
      await client.until(() => responses(client.text) === 1)
      assert.match(client.text, /f \d+ (GET|POST) \/f\/plain/)
    }
    const client = await openDirect()
    client.send(Array.from({ length: 8 }, (_, n) => get(`/f/plain?n=${n}`)).join(''))
    await client.until(() => responses(client.text) === 8)
    const order = [...client.text.matchAll(/GET \/f\/plain\?n=(\d)/g)].map(([, n]) => n)
    assert.deepEqual(order, ['0', '1', '2', '3', '4', '5', '6', '7'])
  })

  it('a body whose end is not there goes where the connection leads, or is told to come again', async () => {
    const client = await openDirect()
    const begun = (path: string) => `POST ${path} HTTP/1.1\r\nHost: far\r\nContent-Length: 9\r\n\r\nbegun`
    await endpoint(ENDPOINT + 1, await node.startServer('g', true), 101)
    await service(NUMBER, FAR, 100, 2)
    await node.until(async () => /\ng \d+ GET/.test(await client.get('/f/plain')))
    for (let n = 0; n < 20; n++) {
      client.forget()
      client.send(begun('/f/plain'))
      client.send('rest')
      await client.until(() => responses(client.text) === 1)
      assert.match(client.text, /\nf \d+ POST \/f\/plain 9:/)
    }
    await service(NUMBER, FAR, 100)
    await routes(FAR_ROUTE)
    client.forget()
    client.send(begun('/a/plain'))
    await client.until(() => /^HTTP\/1\.1 503 [\s\S]*Connection: close/.test(client.text))
    client.send('rest\r\nGET /f/plain HTTP/1.1\r\nHost: far\r\n\r\n')
    await client.until(() => client.closed)
    assert.equal(responses(client.text), 1)
    await routes()
  })

  it('ends with its endpoint, and its entry serves another connection', async () => {
    const before = inUse()
    const clients = [await openDirect(), await openDirect()] as const
    clients[0].send(get('/f/close'))
    await clients[0].until(() => clients[0].end === 'FIN')
    clients[0].command('destroy')
    clients[1].send(get('/f/die'))
    await clients[1].until(() => clients[1].closed)
    await node.until(async () => inUse() <= before)
    assert.match(await (await openDirect()).get('/f/plain'), /f \d+ GET/)
  })

  it('goes on while the relay is gone, and under the next one', async () => {
    const client = await openDirect()
    await node.stopRelay('SIGKILL')
    assert.match(await client.get('/f/plain'), /f \d+ GET/)
    await node.startRelay()
    assert.match(await client.get('/f/plain'), /f \d+ GET/)
    client.command('destroy')
    await client.until(() => client.closed)
    assert.match(await (await openDirect()).get('/f/plain'), /f \d+ GET/)
  })

  it('more connections at a time than there are entries are all served', async () => {
    await openDirect()
    const clients = await Promise.all(Array.from({ length: 150 }, () => node.open(FAR)))
    const texts = await Promise.all(clients.map((client) => client.get('/f/plain')))
    assert.deepEqual(
      texts.filter((text) => !/^HTTP\/1\.1 200 [\s\S]*f \d+ GET/.test(text)),
      [],
    )
    for (const client of clients) client.command('destroy')
    await Promise.all(clients.map((client) => client.until(() => client.closed)))
  })

  it('is not where its map is full: the relay serves, and complains', async () => {
    const connection = await openDirect()
    connection.command('destroy')
    await service(FULL_NUMBER, FULL, 100)
    const keys = node.node.withMap('direct_ways', (map) =>
      fillUp(map, Limit.MAX_POOLS, 8, Buffer.alloc(DirectLayout.bytes)),
    )
    const before = inUse()
    const complaints = Number((await node.stats())['complaints'])
    const client = await node.open(FULL)
    assert.match(await client.get('/f/plain'), /f \d+ GET/)
    await node.until(async () => Number((await node.stats())['complaints']) > complaints)
    assert.match(await (await node.open(FULL)).get('/f/plain'), /f \d+ GET/)
    assert.equal(inUse(), before)
    node.node.withMap('direct_ways', (map) => {
      for (const key of keys) map.delete(key)
    })
  })

  it('a socket that is connected once more has an entry of its own', async (t) => {
    await openDirect()
    const before = inUse()
    const enter = `echo $$ > ${node.node.cgroup}/cgroup.procs; exec "$0" "$@"`
    const child = spawn('sh', ['-c', enter, 'python3', '-c', AGAIN, FAR.host, String(FAR.port)])
    t.after(() => child.kill('SIGKILL'))
    const said = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
    for (let round = 0; round < 3; round++) {
      assert.deepEqual((await said.next()).value, 'refused: 106')
      assert.deepEqual((await said.next()).value, 'HTTP/1.1 200 OK')
      // Whoever comes between two connections of the socket gets the entry that the first one had.
      const between = await openDirect()
      assert.match(await between.get('/f/plain'), /f \d+ GET/)
      child.stdin.write('\n')
    }
    await node.until(async () => inUse() === before + 3)
  })

  it('an endpoint that goes takes its way with it: what is asked then gets 503, and nobody is refused', async () => {
    const child = node.node.spawnElsewhere(process.execPath, [SERVER, 'g'])
    const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })
    const [line] = (await once(lines, 'line')) as [string]
    const { port } = JSON.parse(line) as { port: number }
    await endpoint(GONE_NUMBER, port, 101)
    await service(GONE_NUMBER, GONE, 101)
    await node.until(async () => {
      const before = inUse()
      assert.match(await (await node.open(GONE)).get('/g/plain'), /g \d+ GET/)
      return inUse() > before
    })
    const gone = once(child, 'exit')
    child.kill('SIGKILL')
    await gone
    await node.until(async () => {
      const late = await node.open(GONE)
      return late.failure === undefined && /^HTTP\/1\.1 503 /.test(await late.get('/g/plain'))
    })
  })

  it('is not where a second endpoint is, or none takes requests', async () => {
    const kept = await openDirect()
    await service(NUMBER, FAR, 100, 0)
    await node.until(async () => {
      const client = await node.open(FAR)
      return client.failure === undefined && (await client.get('/f/plain')).startsWith('HTTP/1.1 503 ')
    })
    assert.match(await kept.get('/f/plain'), /^HTTP\/1\.1 (200|503) /)
  })
})

function done(manner: string, text: string): boolean {
  if (manner === '204') return true
  if (manner === 'chunked') return /\r\n0\r\n[\s\S]*\r\n\r\n$/.test(text)
  if (manner === 'interim')
    return text.includes('103') && text.includes('200') && /GET \/f\/interim/.test(text)
  return responses(text) === 1
}
