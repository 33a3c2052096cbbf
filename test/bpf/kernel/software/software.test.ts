/**
 * Software as it is installed, through every path of the client side: to a server on this node, to one on
 * another, and through the relay, which takes each request whose head is longer than the kernel reads.
 * Prints which runs in which mode, and why: the share is of requests on a connection that is warm.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before, describe, it } from 'node:test'
import { whyNoKernel } from '../kernel-fixture.ts'
import { type Place, SoftwareBed } from './bed.ts'
import { CLIENTS, type Client, type ClientName, type Exchange } from './clients.ts'
import { SERVERS, type ServerName } from './servers.ts'
import { type Cell, cellOf, Table } from './table.ts'

const skip = whyNoKernel()
const DEEP = process.env['HEDDLE_DEEP'] === '1'
const SIZES = [1, 1024, 65_536, 1_048_576]
const LARGE = DEEP ? 1_073_741_824 : 16_777_216
/** More than all buffers on the way to a server that does not read. */
const TRICKLED = 6_291_456
/** Requests on a warm connection. */
const KEPT = DEEP ? 500 : 10
/** Servers that each client meets; all clients together meet all. */
const MET = DEEP ? 6 : 2
const CONNECTIONS = DEEP ? 10_000 : 1_000
const CLIENT_NAMES = Object.keys(CLIENTS) as ClientName[]
const SERVER_NAMES = (Object.keys(SERVERS) as ServerName[]).filter((name) => name !== 'node-echo')
const ECHOES = (Object.keys(SERVERS) as ServerName[]).filter((name) => SERVERS[name].echoes)

/** Of requests on a warm connection: the first may find it still with the relay. */
const KERNEL_SHARE = 0.5

type Path = { name: string; place: Place; pad: number }
const PATHS: readonly Path[] = [
  { name: 'same node', place: 'near', pad: 0 },
  { name: 'across nodes', place: 'far', pad: 0 },
  { name: 'relay', place: 'near', pad: 5000 },
]

/** What the kernel does not take, although it might seem that it could. */
const BY_THE_RELAY = [
  // TCP_DEFER_ACCEPT is Apache's default: its end of a connection is not born before the first request.
  { server: 'apache', path: 'same node' },
  // RFC 9113 3.1: behind an upgrade to h2c no parser would know where a request begins. The relay ignores the offer.
  { client: 'java-h2c' },
  { path: 'relay' },
] as const

const staysWithRelay = (client: ClientName, server: ServerName, { name }: Path) =>
  BY_THE_RELAY.some(
    (row) =>
      (!('client' in row) || row.client === client) &&
      (!('server' in row) || row.server === server) &&
      (!('path' in row) || row.path === name),
  )

describe('software', { skip, concurrency: false }, () => {
  const table = new Table(['client', 'server', ...PATHS.map(({ name }) => name)])
  let bed: SoftwareBed
  before(async () => {
    bed = await SoftwareBed.create(Object.keys(SERVERS) as ServerName[], [...SIZES, TRICKLED, LARGE])
  })
  after(async () => {
    console.log(`${table}`)
    await bed.close()
  })

  const get = (server: ServerName, { place, pad }: Path, size: number): Exchange => {
    const file = bed.file(size)
    const want = readFileSync(`${file}.sha256`, 'latin1')
    return { method: 'GET', url: bed.url(place, server, `f/${size}`), pad, file, want }
  }
  const post = (server: ServerName, path: Path, size: number): Exchange => ({
    ...get(server, path, size),
    method: 'POST',
    url: bed.url(path.place, server, 'post'),
  })

  /** Bodies of all sizes both ways, then requests on the same connection; `wrong` is of all of them. */
  async function pair(client: Client, server: ServerName, path: Path): Promise<Cell> {
    const all = SIZES.flatMap((size) => [get(server, path, size), post(server, path, size)])
    const bodies = client.isLoad ? { wrong: [] } : await client.run(all)
    const before = bed.node.ways()
    const kept = await client.run(Array.from({ length: KEPT }, () => get(server, path, 1024)))
    return cellOf(before, bed.node.ways(), { ...kept, wrong: [...bodies.wrong, ...kept.wrong] })
  }

  /** What is wrong with a cell. */
  function judge(name: ClientName, server: ServerName, path: Path, cell: Cell): string[] {
    const enough = staysWithRelay(name, server, path) || cell.kernel >= KERNEL_SHARE
    const share = `${name}, ${server}, ${path.name}: ${cell.kernel} in the kernel, ${cell.reasons}`
    return [...cell.wrong, ...(enough ? [] : [share])]
  }

  for (const [index, name] of CLIENT_NAMES.entries())
    it(`${name} has every body whole, from and to its servers on every path`, async () => {
      const client = bed.client(name)
      const failures: string[] = []
      // Each run of a load takes its second.
      for (const turn of Array(client.isLoad && !DEEP ? 1 : MET).keys()) {
        const server = SERVER_NAMES[(MET * index + turn) % SERVER_NAMES.length] as ServerName
        const cells: Cell[] = []
        for (const path of PATHS) {
          const cell = await pair(client, server, path)
          failures.push(...judge(name, server, path, cell))
          cells.push(cell)
        }
        table.add([name, server], cells)
      }
      assert.deepEqual(failures.slice(0, 10), [])
    })

  for (const name of ['undici', 'java'] as const)
    it(`${name} has its WebSocket messages echoed, by way of the relay`, async () => {
      const client = bed.client(name)
      const failures: string[] = []
      for (const server of ECHOES) {
        const cells: (Cell | string)[] = []
        for (const path of PATHS.filter(({ pad }) => pad === 0)) {
          const url = bed.url(path.place, server, 'ws').replace('http:', 'ws:')
          const echoes = ['hello', 'x'.repeat(10_000), 'y'.repeat(70_000)].map((file): Exchange => {
            return { method: 'WS', url, pad: 0, file, want: '-' }
          })
          const before = bed.node.ways()
          const ran = await client.run(echoes)
          const cell = cellOf(before, bed.node.ways(), ran)
          cells.push(cell)
          failures.push(...cell.wrong)
        }
        table.add([`${name}, WebSocket`, server], [...cells, ''])
      }
      assert.deepEqual(failures, [])
    })

  it('a pool has its connections still, after bodies whose rest the relay sent', async () => {
    const client = bed.client('http.client')
    const path = { name: 'across nodes', place: 'far', pad: 0 } as const
    // More often than the pool of all clients has connections.
    const posts = Array.from({ length: 3 * CLIENT_NAMES.length }, () => post('java', path, 1_048_576))
    assert.deepEqual((await client.run(posts)).wrong, [])
    const cell = await pair(client, 'java', path)
    assert.deepEqual(judge('http.client', 'java', path, cell), [])
  })

  for (const path of PATHS)
    it(`a body in small pieces comes whole to a server that reads late, ${path.name}`, async () => {
      const url = bed.url(path.place, 'node-http', 'late')
      const late = { ...post('node-http', path, TRICKLED), url, method: 'TRICKLE' } as const
      const { wrong } = await bed.client('asyncio').run([late])
      assert.deepEqual(wrong, [])
    })

  for (const path of PATHS)
    it(`a large body comes whole to a client that stops reading, and from one, ${path.name}`, async () => {
      const client = bed.client('http.client')
      const stalled = { ...get('nginx', path, LARGE), method: 'SLOW' } as const
      const { wrong } = await client.run([stalled, post('nginx', path, LARGE), get('node-http', path, LARGE)])
      assert.deepEqual(wrong, [])
    })

  for (const place of ['near', 'far'] as const)
    it(`${CONNECTIONS} connections are kept, and each is served now and then, ${place}`, async () => {
      const before = bed.node.ways()
      const { open, ...ran } = await bed.many(CONNECTIONS, { place, server: 'nginx', size: 1024, rounds: 4 })
      table.add(
        [`${CONNECTIONS} connections`, 'nginx'],
        [
          ...(place === 'far' ? [''] : []),
          cellOf(before, bed.node.ways(), ran),
          ...(place === 'far' ? [''] : ['', '']),
        ],
      )
      assert.deepEqual({ open, ...ran }, { open: CONNECTIONS, requests: 4 * CONNECTIONS, wrong: [] })
    })
})
