/** The relay process against the real kernel and real servers. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { whyNoKernel } from './kernel-fixture.ts'
import { relayArtifact, type RelayArtifact } from './relay-artifact.ts'
import { RelayFixture } from './relay-fixture.ts'
import { cpuTicks, SERVERS, type Server } from './relay-servers.ts'

const WHOLE_403 = /^HTTP\/1\.1 403 Forbidden\r\n.*Content-Length: *(\d+)\r\n\r\n( *)$/s
/** Clock ticks of 10 ms in half a second that a server at rest may use; a spinning one uses 50. */
const QUIET_TICKS = 12

let artifact: RelayArtifact
const skip = whyNoKernel()

function assertWhole403(text: string): void {
  const found = WHOLE_403.exec(text)
  assert.ok(found, `not one whole 403: ${JSON.stringify(text)}`)
  assert.equal(found[2]?.length, Number(found[1]))
}

describe('relay', { skip }, () => {
  before(() => {
    artifact = relayArtifact()
  })

  for (const kind of SERVERS)
    describe(kind.name, { skip: kind.missing ?? false }, () => {
      let fixture: RelayFixture
      let server: Server
      before(async () => {
        fixture = await RelayFixture.create(artifact)
        server = await kind.start(fixture.node)
        await fixture.startRelay()
      })
      after(() => fixture?.close())

      test(`a refused client reads its whole 403${kind.blocking ? ' or nothing' : ''}, then the connection is gone`, async () => {
        const clients = await Promise.all(Array.from({ length: 6 }, () => fixture.client(server.port)))
        for (const client of clients) client.get('/secret')
        for (const client of clients) {
          await client.until(() => client.end !== undefined)
          if (!kind.blocking || client.text !== '') assertWhole403(client.text)
        }
        // A client may hear of the end before the server's side has come to it.
        await fixture.until(
          ({ pending }) => pending.ending + pending.owing === 0 && fixture.connections() === 0,
        )
      })

      test('the server is at rest afterwards, and goes on serving', async () => {
        const used = cpuTicks(server.pid)
        await sleep(500)
        assert.ok(cpuTicks(server.pid) - used <= QUIET_TICKS, `${cpuTicks(server.pid) - used} ticks`)
        const client = await fixture.client(server.port)
        client.get('/public')
        await client.until(() => /^HTTP\/1\.. 200 .*ok$/s.test(client.text))
        client.get('/public')
        await client.until(() => client.text.match(/ 200 /g)?.length === 2)
      })

      test('a refused request behind an allowed one is answered in order, then the connection is gone', async () => {
        const client = await fixture.client(server.port)
        client.socket.write('GET /public HTTP/1.1\r\nHost: x\r\n\r\nGET /secret HTTP/1.1\r\nHost: x\r\n\r\n')
        await client.until(() => client.end !== undefined)
        assert.match(client.text, /^HTTP\/1\.. 200 .*ok.*HTTP\/1\.1 403 /s)
        const { complaints } = await fixture.until(({ pending }) => pending.ending + pending.owing === 0)
        assert.equal(complaints, 0)
      })
    })

  test('a refused IPv6 connection is found by its name and ended', async () => {
    const fixture = await RelayFixture.create(artifact)
    try {
      const server = await (SERVERS[0] as (typeof SERVERS)[0]).start(fixture.node, '::')
      await fixture.startRelay()
      for (const host of ['::1', '127.0.0.1']) {
        const client = await fixture.client(server.port, host)
        client.get('/secret')
        await client.until(() => client.end !== undefined)
        assertWhole403(client.text)
      }
      const { endings } = await fixture.until(({ endings: e }) => e['afterReply'] === 2)
      assert.equal(endings['failed'], 0)
    } finally {
      await fixture.close()
    }
  })

  test('with the relay dead the kernel enforces, and the next relay ends what was pending', async () => {
    const fixture = await RelayFixture.create(artifact)
    try {
      const server = await (SERVERS[0] as (typeof SERVERS)[0]).start(fixture.node)
      await fixture.startRelay()
      assert.equal(await fixture.stopRelay('SIGKILL'), 'SIGKILL')
      const clients = await Promise.all(Array.from({ length: 3 }, () => fixture.client(server.port)))
      for (const client of clients) {
        client.get('/secret')
        await client.until(() => WHOLE_403.test(client.text))
        client.get('/public')
      }
      const allowed = await fixture.client(server.port)
      allowed.get('/public')
      await allowed.until(() => / 200 /.test(allowed.text))
      assert.equal(fixture.connections(), 4)
      await fixture.startRelay()
      for (const client of clients) {
        await client.until(() => client.end !== undefined)
        assertWhole403(client.text)
      }
      const { endings } = await fixture.until(() => fixture.connections() === 1)
      assert.equal(endings['afterReply'], 3)
      assert.equal(await fixture.stopRelay('SIGTERM'), 0)
      allowed.get('/public')
      await allowed.until(() => allowed.text.match(/ 200 /g)?.length === 2)
    } finally {
      await fixture.close()
    }
  })
})
