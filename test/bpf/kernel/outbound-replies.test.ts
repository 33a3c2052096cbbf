/** Requests that the kernel answers itself, in the bytes of the relay. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { whyNoKernel } from './kernel-fixture.ts'
import { responses } from './outbound-connection.ts'
import { OutboundFixture } from './outbound-fixture.ts'
import { ask, byKernel, POLICY, REDIRECTS, request, ROUTE } from './outbound-routes.ts'

const skip = whyNoKernel()

describe('outbound replies', { skip, concurrency: false }, () => {
  let node: OutboundFixture
  before(async () => {
    node = await OutboundFixture.create([POLICY], [ROUTE])
  })
  after(() => node.close())

  const ANSWERS: [string, string, string][] = [
    ['no route', 'GET /nowhere', '404 Not Found'],
    ["a backend that can't be followed", 'GET /lost', '500 Internal Server Error'],
    ['a service without endpoints', 'POST /empty/x', '503 Service Unavailable'],
    ['a path that inbound rules refuse', 'GET /~secret/x', '403 Forbidden'],
    ['a path that inbound rules refuse once it is changed', 'HEAD /to-secret', '403 Forbidden'],
  ]
  for (const [what, line, status] of ANSWERS)
    for (const body of ['', 'x'.repeat(20), 'x'.repeat(3000)])
      it(`${what} is answered with ${status} by the kernel${body && `, ${body.length} bytes of a body included`}`, async () => {
        const client = await node.openWarm()
        const denied = node.node.counters().DENIED ?? 0
        const framing = body ? `Content-Length: ${body.length}\r\n` : ''
        const done = await byKernel(node, async () => {
          for (const more of ['', 'Connection: Keep-Alive\r\n', `X-Long: ${'v'.repeat(500)}\r\n`]) {
            const got = await ask(client, `${line} HTTP/1.1\r\nHost: front\r\n${more}${framing}\r\n${body}`)
            assert.equal(got, `HTTP/1.1 ${status}\r\nServer: heddle\r\nContent-Length: 0\r\n\r\n`)
          }
          assert.match(await client.get('/a/plain'), /a \d+ GET/)
        })
        assert.deepEqual(done, { routed: 1, answered: 3 })
        assert.equal((node.node.counters().DENIED ?? 0) - denied, status.startsWith('403') ? 3 : 0)
      })

  it('a request that is let in only once it is changed is let in', async () => {
    const client = await node.openWarm()
    const done = await byKernel(node, async () => {
      assert.match(await client.get('/~from/plain'), /a \d+ GET \/a\/plain/)
    })
    assert.deepEqual(done, { routed: 1, answered: 0 })
  })

  /** On a connection that stays with the relay: its client pipelines. */
  async function byRelay(message: string): Promise<string> {
    const client = await node.openWarm()
    client.send(`${request('/a/plain')}${request('/a/plain')}`)
    await client.until(() => responses(client.text) === 2)
    const before = node.ways()
    const got = await ask(client, message)
    const ways = node.ways()
    assert.equal(ways.KERNEL_ANSWERED + ways.KERNEL_ROUTED, before.KERNEL_ANSWERED + before.KERNEL_ROUTED)
    return got
  }

  for (const prefix of Object.keys(REDIRECTS))
    for (const host of [
      'front',
      'front:80',
      ' \tfront:8080 ',
      ':80',
      '',
      '[::1]:443',
      'a:b',
      'a:',
      '10.0.0.1',
      'x1:1:2',
    ])
      it(`redirects ${prefix} for Host ${JSON.stringify(host)} as the relay does`, async () => {
        const client = await node.openWarm()
        for (const rest of ['', '/x/y?q=/a', '?']) {
          const message = `GET ${prefix}${rest} HTTP/1.1\r\nX-A: 1\r\nHost:${host}\r\nX-B: 1\r\n\r\n`
          const done = await byKernel(node, () => ask(client, message))
          assert.deepEqual(done, { routed: 0, answered: 1 })
          assert.equal(client.text, await byRelay(message))
          assert.match(
            client.text,
            /^HTTP\/1.1 30\d [A-Z][\s\S]*\r\nLocation: https?:\/\/[^\r]+\r\nContent-Length: 0\r\n/,
          )
        }
      })

  it('leaves it to the relay to answer whose connection has to end', async () => {
    for (const [more, body] of [
      ['Connection: close\r\n', ''],
      ['Connection: x, keep-alive, Close\r\n', ''],
      ['Expect: 100-continue\r\nContent-Length: 2\r\n', 'ab'],
    ] as const) {
      for (const target of ['/nowhere', '/served']) {
        const client = await node.openWarm()
        const before = node.ways().SLOW_REFUSED
        client.send(`GET ${target} HTTP/1.1\r\nHost: front\r\n${more}\r\n${body}`)
        await client.until(() => client.end === 'FIN')
        assert.match(client.text, /^HTTP\/1.1 [34]0[34] [\s\S]*\r\nConnection: close\r\n/)
        assert.equal(node.ways().SLOW_REFUSED, before + 1)
      }
    }
  })

  it('answers out of the kernel and requests behind it keep their order', async () => {
    const client = await node.openWarm()
    for (let i = 0; i < 20; i++) {
      client.forget()
      const targets = ['/nowhere', '/a/plain', '/~secret', '/moved', '/b/plain', '/nowhere'].slice(i % 3)
      client.send(targets.map((target) => request(target)).join(''))
      await client.until(() => responses(client.text) === targets.length)
      const statuses: Record<string, string> = { '/nowhere': '404', '/~secret': '403', '/moved': '301' }
      assert.deepEqual(
        [...client.text.matchAll(/HTTP\/1.1 (\d+) /g)].map((found) => found[1]),
        targets.map((target) => statuses[target] ?? '200'),
      )
    }
  })

  it('a request that is sent with one that is answered here reaches its server whole', async () => {
    const client = await node.openWarm()
    const before = node.ways()
    client.send(`${request('/nowhere')}${request(`/a/plain?${'q'.repeat(200)}`)}`)
    await client.until(() => responses(client.text) === 2)
    assert.match(client.text, /^HTTP\/1.1 404 [\s\S]* GET \/a\/plain\?q{200} /)
    const ways = node.ways()
    assert.deepEqual(
      { ...ways, KERNEL_ROUTED: ways.KERNEL_ROUTED - 1, KERNEL_ANSWERED: ways.KERNEL_ANSWERED - 1 },
      before,
    )
  })
})
