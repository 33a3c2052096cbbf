/** Audit rules of a workload in mode relay: the relay judges, and counts among the kernel's. */
import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import { auditedPolicy, type Audits, samplesOf, seenBy } from './audited-policy.ts'
import { whyNoKernel } from './kernel-fixture.ts'
import { type RelayArtifact, relayArtifact } from './relay-artifact.ts'
import { RelayFixture } from './relay-fixture.ts'
import { SERVERS, type ServerKind } from './relay-servers.ts'

const SUBJECT = { namespaces: ['shop'], requirements: [] }

function artifactOf(audits: Audits): RelayArtifact {
  const policy = { ...auditedPolicy(audits), namespace: 'shop', subject: SUBJECT }
  return relayArtifact(undefined, { policies: [policy], routes: [] })
}

describe('audit rules in mode relay', { skip: whyNoKernel() }, () => {
  let judging: RelayArtifact
  let open: RelayArtifact
  before(() => {
    judging = artifactOf({
      allow: ['/public'],
      limit: ['/public/often'],
      audit: { all: '', public: '/public' },
    })
    open = artifactOf({ audit: { all: '' } })
  })

  async function steered(
    artifact: RelayArtifact,
    use: (fixture: RelayFixture, port: number) => Promise<void>,
  ) {
    const fixture = await RelayFixture.create(artifact, {}, 'relay')
    try {
      const { port } = await (SERVERS[0] as ServerKind).start(fixture.node, '127.0.0.1')
      await fixture.startRelay()
      await fixture.until(
        ({ modes }) => modes['shop/a']?.mode === 'relay' && modes['shop/a'].reason !== 'no-listener',
      )
      await use(fixture, port)
    } finally {
      await fixture.close()
    }
  }
  const seen = (fixture: RelayFixture) => seenBy(fixture.node, ['all', 'public'], 'shop')

  test('count what is allowed, denied, limited and not to be read, with samples', () =>
    steered(judging, async (fixture, port) => {
      for (const [path, status] of [
        ['/public?token=secret', 200],
        ['/secret', 403],
        ['/public/often', 200],
        ['/public/often', 429],
      ] as const) {
        const client = await fixture.client(port)
        client.get(path)
        await client.until(() => client.text.includes(` ${status} `))
        client.socket.destroy()
      }
      const strange = await fixture.client(port)
      strange.socket.write('G@T / HTTP/1.1\r\n\r\n')
      await strange.until(() => strange.end !== undefined)
      assert.deepEqual(await seen(fixture), { all: [2, 2, 1], public: [2, 1, 1] })
      const samples = await samplesOf(fixture.node, 'all', 'shop')
      assert.deepEqual(
        samples.map(({ request, verdict: { reason, status } }) => [request?.path, reason, status]),
        [
          ['/public/often', 'LIMITED', 429],
          ['/public/often', 'ALLOWED', 0],
          ['/secret', 'DENIED', 403],
          ['/public', 'ALLOWED', 0],
        ],
      )
      assert.equal(samples[0]?.source.address, '127.0.0.1')
      assert.equal(samples[0]?.destination.port, port)
      assert.equal(JSON.stringify(samples).includes('token'), false)
    }))

  test('count where nobody is judged, and let through what is no HTTP', () =>
    steered(open, async (fixture, port) => {
      const client = await fixture.client(port)
      client.get('/anything')
      await client.until(() => client.text.includes(' 200 '))
      const strange = await fixture.client(port)
      strange.socket.write(Buffer.from([0x16, 3, 1, 0, 0]))
      // The server itself says what it thinks of that, not the relay.
      await strange.until(() => strange.end !== undefined)
      const { relayed } = await fixture.until(() => true)
      assert.deepEqual([relayed['passed'], relayed['refused']], [1, 0])
      assert.deepEqual(await seen(fixture), { all: [1, 0, 1] })
    }))
})
