/** What the relay ends by deadline: connections nobody judges, and messages that hold an old generation. */
import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import { whyNoKernel } from './kernel-fixture.ts'
import { relayArtifact, type RelayArtifact } from './relay-artifact.ts'
import { RelayFixture } from './relay-fixture.ts'
import { SERVERS, type ServerKind } from './relay-servers.ts'

const NODE = SERVERS[0] as ServerKind
/** Milliseconds, for deadlines that are awaited here. */
const SHORT = 300
let artifact: RelayArtifact

async function withFixture(options: Record<string, unknown>, use: (fixture: RelayFixture) => Promise<void>) {
  const fixture = await RelayFixture.create(artifact, options)
  try {
    await use(fixture)
  } finally {
    await fixture.close()
  }
}

describe('relay deadlines', { skip: whyNoKernel() }, () => {
  before(() => {
    artifact = relayArtifact()
  })

  test('a connection older than the attach goes on until its deadline, then it is destroyed and told', () =>
    withFixture({ establishedMs: SHORT }, async (fixture) => {
      const server = await NODE.start(fixture.node)
      await fixture.startRelay()
      await fixture.until(({ attached }) => attached)
      await fixture.node.kernel.detach()
      const old = await fixture.client(server.port)
      old.get('/secret')
      await old.until(() => / 200 /.test(old.text))
      await fixture.until(({ attached }) => !attached)
      await fixture.attachAgain()
      await fixture.until(({ attached }) => attached)
      const young = await fixture.client(server.port)
      young.get('/public')
      await old.until(() => old.end !== undefined)
      await fixture.until(({ established: e }) => e.count === 0 && e.destroyed === 1)
      await young.until(() => / 200 /.test(young.text))
      young.get('/public')
      await young.until(() => young.text.match(/ 200 /g)?.length === 2)
      const told = fixture.journal()
      assert.deepEqual(
        told.map(({ event }) => event),
        ['established-found', 'established-destroyed'],
      )
      const [found, ended] = told.map(({ at }) => Date.parse(String(at))) as [number, number]
      assert.ok(ended - found >= SHORT - 5, 'before its deadline')
    }))

  test('connections that the workload itself began are left alone', () =>
    withFixture({ establishedMs: 1 }, async (fixture) => {
      const server = await NODE.start(fixture.node)
      const outgoing = fixture.node.spawnManaged(process.execPath, ['-e', pinger(server.port)])
      const said: string[] = []
      outgoing.stdout?.setEncoding('utf8').on('data', (line: string) => said.push(line))
      await until(() => said.join('').includes('first'))
      await fixture.startRelay()
      await until(() => said.join('').includes('second'))
      const { established } = await fixture.stats()
      assert.equal(established.destroyed, 0)
    }))

  test('a message that began under an old generation is ended at the drain deadline, one that ended in time is not', () =>
    withFixture({ drainMs: SHORT }, async (fixture) => {
      const server = await NODE.start(fixture.node)
      await fixture.startRelay()
      const slow = await fixture.client(server.port)
      slow.socket.write('GET /public HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf')
      const quick = await fixture.client(server.port)
      quick.get('/public')
      await slow.until(() => / 200 /.test(slow.text))
      await quick.until(() => / 200 /.test(quick.text))
      await fixture.enforce(1, 2)
      assert.deepEqual([...(await fixture.node.kernel.busySlots())], [0])
      await fixture.until(({ draining }) => draining.held === 1)
      await slow.until(() => slow.end !== undefined)
      await fixture.until(({ draining }) => draining.held === 0 && draining.destroyed === 1)
      assert.deepEqual([...(await fixture.node.kernel.busySlots())], [])
      quick.get('/public')
      await quick.until(() => quick.text.match(/ 200 /g)?.length === 2)
    }))

  test('a refusal that waits for an owed response is ended when the owed deadline is over', () =>
    withFixture({ owedMs: SHORT }, async (fixture) => {
      const server = await NODE.start(fixture.node)
      await fixture.startRelay()
      const client = await fixture.client(server.port)
      client.get('/public/never')
      client.get('/secret')
      await client.until(() => client.end !== undefined)
      assert.equal(client.text, '')
      const { endings } = await fixture.until(({ pending }) => pending.owing === 0)
      assert.equal(endings['owedTooLong'], 1)
    }))
})

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 5))
}

/** Keeps one connection of its own open: a request, and one more a while later. */
function pinger(port: number): string {
  return `const s = require('net').connect(${port}, '127.0.0.1'); let n = 0
  const ask = () => s.write('GET /public HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n')
  s.on('data', () => { n++; console.log(n === 1 ? 'first' : 'second'); if (n === 1) setTimeout(ask, 1500) })
  ask()`
}
