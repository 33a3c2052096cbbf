/** Modes relay and refuse against the real kernel: what is steered, judged, streamed, and closed. */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import { whyNoKernel } from './kernel-fixture.ts'
import { relayArtifact, type RelayArtifact } from './relay-artifact.ts'
import { RelayFixture } from './relay-fixture.ts'
import { SERVERS, type ServerKind } from './relay-servers.ts'

const NODE = SERVERS[0] as ServerKind
const PYTHON = SERVERS[1] as ServerKind
const OK = /^HTTP\/1\.. 200 .*ok$/s
const DENIED = /^HTTP\/1\.1 403 Forbidden\r\n.*Content-Length: *0\r\n\r\n$/s
let artifact: RelayArtifact

type Mode = 'auto' | 'kernel' | 'relay' | 'refuse'

async function withMode(mode: Mode, use: (fixture: RelayFixture) => Promise<void>): Promise<void> {
  const fixture = await RelayFixture.create(artifact)
  try {
    const file = join(fixture.node.directory, 'workloads.json')
    const said = JSON.parse(readFileSync(file, 'utf8')) as { workloads: Record<string, unknown>[] }
    writeFileSync(file, JSON.stringify({ workloads: said.workloads.map((one) => ({ ...one, mode })) }))
    await use(fixture)
  } finally {
    await fixture.close()
  }
}

async function steered(fixture: RelayFixture, kind = NODE, host = '127.0.0.1'): Promise<number> {
  const { port } = await kind.start(fixture.node, host)
  await fixture.startRelay()
  await fixture.until(
    ({ modes }) => modes['shop/a']?.mode === 'relay' && modes['shop/a'].reason !== 'no-listener',
  )
  return port
}

describe('relay modes', { skip: whyNoKernel() }, () => {
  before(() => {
    artifact = relayArtifact()
  })

  test('mode relay allows, refuses with the same bytes as the kernel, and keeps order', () =>
    withMode('relay', async (fixture) => {
      const port = await steered(fixture)
      const client = await fixture.client(port)
      client.get('/public')
      await client.until(() => OK.test(client.text))
      assert.equal(fixture.connections(), 0, 'the relay’s own connection carries no verdict')
      client.text = ''
      client.get('/public/2')
      client.get('/secret')
      client.get('/public/3')
      await client.until(() => client.end !== undefined)
      assert.equal(client.text.match(/ 200 OK/g)?.length, 1)
      assert.match(client.text.slice(client.text.indexOf('ok') + 2), DENIED)
      const { relayed } = await fixture.until(({ relayed: r }) => r['open'] === 0)
      assert.deepEqual(relayed, {
        taken: 1,
        turnedAway: 0,
        allowed: 2,
        passed: 0,
        denied: 1,
        limited: 0,
        refused: 0,
        dropped: 0,
        open: 0,
      })
      assert.equal(
        fixture.node.withMap('relayed', (map) => [...map.keys(36, 10)].length),
        0,
      )
    }))

  test('IPv6 is steered, judged and ended like IPv4', () =>
    withMode('relay', async (fixture) => {
      const port = await steered(fixture, NODE, '::1')
      const client = await fixture.client(port, '::1')
      client.get('/public')
      client.get('/secret')
      await client.until(() => client.end !== undefined)
      assert.match(client.text, /^HTTP\/1\.1 200 .*ok.*HTTP\/1\.1 403 /s)
      assert.equal(await fixture.stopRelay('SIGTERM'), 0)
    }))

  test('what is not canonical is answered 400, and nothing of it reaches the server', () =>
    withMode('relay', async (fixture) => {
      const port = await steered(fixture)
      const client = await fixture.client(port)
      client.socket.write('GET /public HTTP/1.1\r\nHost : x\r\n\r\n')
      await client.until(() => client.end !== undefined)
      assert.match(client.text, /^HTTP\/1\.1 400 Bad Request\r\n/)
      const tls = await fixture.client(port)
      tls.socket.write(Buffer.from([0x16, 3, 1, 0, 5, 1]))
      await tls.until(() => tls.end !== undefined)
      assert.equal(tls.text, '')
    }))

  test('bodies stream both ways, with back-pressure', () =>
    withMode('relay', async (fixture) => {
      const port = await steered(fixture)
      const size = 8 * 1024 * 1024
      const client = await fixture.client(port)
      client.socket.write(`GET /public/echo HTTP/1.1\r\nHost: x\r\nContent-Length: ${size}\r\n\r\n`)
      client.socket.write(Buffer.alloc(size, 'x'))
      await client.until(() => client.text.length > size)
      client.get('/public')
      await client.until(() => client.text.endsWith('ok'))
      assert.ok(client.text.split('x').length - 1 >= size)
    }))

  test(
    'a server that blocks in recv gets the relay by itself, and its refused clients read their 403',
    { skip: PYTHON.missing ?? false },
    () =>
      withMode('auto', async (fixture) => {
        const port = await steered(fixture, PYTHON)
        const { modes } = await fixture.stats()
        assert.deepEqual(modes['shop/a'], { mode: 'relay', reason: 'server-blocks-in-recv' })
        const clients = await Promise.all(Array.from({ length: 6 }, () => fixture.client(port)))
        for (const client of clients) client.get('/secret')
        for (const client of clients) {
          await client.until(() => client.end !== undefined)
          assert.match(client.text, DENIED)
        }
        const client = await fixture.client(port)
        client.get('/public')
        await client.until(() => OK.test(client.text))
      }),
  )

  test('a server that does not block stays with the kernel', () =>
    withMode('auto', async (fixture) => {
      await NODE.start(fixture.node)
      await fixture.startRelay()
      const { modes } = await fixture.until((stats) => stats.modes['shop/a'] !== undefined)
      assert.deepEqual(modes['shop/a'], { mode: 'kernel', reason: 'server-does-not-block' })
      // Measured on 6.18: bytes are counted, and splice() never sees them.
      assert.deepEqual((await fixture.stats()).kernel, { countsQueued: true, splices: false })
    }))

  test('mode refuse drops the SYN, and so does mode relay without its relay', () =>
    withMode('relay', async (fixture) => {
      const port = await steered(fixture)
      assert.equal(await fixture.stopRelay('SIGKILL'), 'SIGKILL')
      assert.equal(await fixture.outcome(port), 'dropped')
      const file = join(fixture.node.directory, 'workloads.json')
      writeFileSync(file, readFileSync(file, 'utf8').replace('"relay"', '"refuse"'))
      await fixture.startRelay()
      await fixture.until(({ modes }) => modes['shop/a']?.mode === 'refuse')
      assert.equal(await fixture.outcome(port), 'dropped')
      writeFileSync(file, readFileSync(file, 'utf8').replace('"refuse"', '"kernel"'))
      await fixture.until(({ modes }) => modes['shop/a']?.mode === 'kernel')
      assert.equal(await fixture.outcome(port), 'open')
    }))
})
