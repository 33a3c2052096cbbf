/** Heads that routes change, in the real kernel: each byte that server and client read is the reference's. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { whyNoKernel } from './kernel-fixture.ts'
import { responses } from './outbound-connection.ts'
import { OutboundFixture } from './outbound-fixture.ts'
import {
  ask,
  byKernel,
  edited,
  editedResponse,
  POLICY,
  request,
  REQUESTS,
  RESPONSES,
  ROUTE,
} from './outbound-routes.ts'

const skip = whyNoKernel()

describe('outbound edits', { skip, concurrency: false }, () => {
  let node: OutboundFixture
  before(async () => {
    node = await OutboundFixture.create([POLICY], [ROUTE])
  })
  after(() => node.close())

  const bodyOf = (response: string) => response.slice(response.indexOf('\r\n\r\n') + 4)

  for (const prefix of Object.keys(REQUESTS))
    for (const rest of ['/head', '/x/head?q=1&r=/y?z', '?q', ''])
      it(`a server reads the request for ${prefix}${rest} as the route wants it`, async () => {
        const client = await node.openWarm()
        const head = request(`${prefix}${rest}`)
        const want = edited(prefix, head)
        const done = await byKernel(node, async () => {
          for (let i = 0; i < 2; i++) {
            const got = bodyOf(await ask(client, head))
            const target = want.split(' ')[1] as string
            if (target.split('?')[0]?.endsWith('/head')) assert.equal(got, want)
            else assert.equal(got.split(' ')[3], target)
          }
        })
        assert.deepEqual(done, { routed: 2, answered: 0 })
      })

  for (const [what, body, framing] of [
    ['a body of known length', 'x'.repeat(5000), 'Content-Length: 5000\r\n'],
    [
      'a chunked body',
      '5;e=1\r\nhello\r\nA\r\n0123456789\r\n0\r\nX-T: 1\r\n\r\n',
      'Transfer-Encoding: chunked\r\n',
    ],
  ] as const)
    for (const prefix of ['/all', '/long'])
      for (const cut of [1, 7, 100, 1000, 100_000])
        it(`${what} behind a head that ${prefix} changes, sent ${cut} bytes at a time, stays as it is`, async () => {
          const client = await node.openWarm()
          const head = request(`${prefix}/x`, { method: 'POST', more: framing })
          const message = head + body
          const step = cut === 1 && body.length > 1000 ? 50 : cut
          const done = await byKernel(node, async () => {
            client.forget()
            for (let at = 0; at < message.length; at += step) client.send(message.slice(at, at + step))
            await client.until(() => responses(client.text) === 1)
            assert.match(
              client.text,
              new RegExp(` POST ${edited(prefix, head).split(' ')[1]} ${body.length}:${sum(body)} `),
            )
            assert.match(await client.get('/b/plain'), /b \d+ GET \/b\/plain/)
          })
          assert.deepEqual(done, { routed: 2, answered: 0 })
        })

  for (const first of ['/a', '/long', '/lines', '/all'])
    it(`a head of ${first} that changes leaves what is sent with it, behind it`, async () => {
      const client = await node.openWarm()
      const { KERNEL_ROUTED } = node.ways()
      const prefixes = [first, '/long', '/b', '/all', '/gone', '/lines']
      const heads = prefixes.map((prefix) => request(`${prefix}/head`))
      client.forget()
      client.send(heads.join(''))
      await client.until(() => responses(client.text) === heads.length)
      assert.deepEqual(
        client.text.split(/HTTP\/1.1 200 OK\r\nContent-Length: \d+\r\n(?:X-Set: 1\r\n)?\r\n/).slice(1),
        heads.map((head, i) => {
          const prefix = prefixes[i] as string
          return prefix in REQUESTS ? edited(prefix, head) : head
        }),
      )
      assert.ok(node.ways().KERNEL_ROUTED > KERNEL_ROUTED)
    })

  const base = 'HTTP/1.1 200 OK\r\n'
  const BODY = 'Content-Length: 5\r\n\r\nhello'
  const SAID: Record<string, string> = {
    plain: `${base}Server: s\r\nX-Drop: 1\r\nX-Kept:  a \r\nx-drop:2\r\nSERVER: t\r\n${BODY}`,
    'without fields': `HTTP/1.1 204 No Content\r\n\r\n`,
    'not modified': `HTTP/1.1 304 Not Modified\r\nServer: s\r\nContent-Length: 50\r\n\r\n`,
    chunked: `${base}Server: s\r\nTransfer-Encoding: chunked\r\nX-Drop: 1\r\n\r\n5;a=b\r\nhello\r\n0\r\nX-Drop: trailer\r\n\r\n`,
    interim: `HTTP/1.1 103 Early\r\nX-Drop: stays\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n${base}Server: s\r\nX-Drop: 1\r\n${BODY}`,
    folded: `${base}X-Drop: 1\r\n 2\r\n\t3\r\nX-Kept: 1\r\n 2\r\nX-Drop-Not: 1\r\nServer : 1\r\n${BODY}`,
    'ended by LF alone': `HTTP/1.1 200 OK\nServer: s\nX-Kept: 1\nX-Drop: 1\n\tfolded\nContent-Length: 5\n\nhello`,
    'of many lines': `${base}${Array.from({ length: 60 }, (_, i) => `X-${i % 3 ? 'Drop' : `Line-${i}`}: ${'v'.repeat(i)}\r\n`).join('')}${BODY}`,
    'of long lines': `${base}X-Drop: ${'d'.repeat(1000)}\r\nX-Kept: ${'v'.repeat(1000)}\r\n${BODY}`,
  }

  /** Interim heads are no answer. */
  function wanted(prefix: string, response: string): string {
    const heads = /^(?:HTTP\/1.1 1[\s\S]*?\r\n\r\n)+(?=HTTP)/.exec(response)?.[0] ?? ''
    return heads + editedResponse(prefix, response.slice(heads.length))
  }

  for (const prefix of Object.keys(RESPONSES))
    for (const [what, response] of Object.entries(SAID))
      for (const cut of ['whole', 'in two', 'in pieces'])
        it(`a client reads a response ${what}, said ${cut}, as ${prefix} wants it`, async () => {
          const client = await node.openWarm()
          const want = wanted(prefix, response)
          const places = cut === 'whole' ? [] : cut === 'in two' ? [response.length - 12] : [1, 9, 17, 19, 40]
          const cuts = places.filter((at) => at > 0 && at < response.length).join()
          const said = `X-Say: ${Buffer.from(response, 'latin1').toString('base64')}\r\nX-Cut: ${cuts || '9999'}\r\n`
          const done = await byKernel(node, async () => {
            for (let i = 0; i < 2; i++) {
              client.forget()
              client.send(`GET ${prefix}/x HTTP/1.1\r\nHost: front\r\n${said}\r\n`)
              await client.until(() => client.text.length >= want.length)
              assert.equal(client.text, want)
            }
            assert.match(await client.get('/a/plain'), /^HTTP\/1.1 200 OK\r\nContent-Length: \d+\r\n\r\na /)
          })
          assert.deepEqual(done, { routed: 3, answered: 0 })
        })

  it('leaves out what a server says behind a response that it said in pieces', async () => {
    const client = await node.openWarm()
    const response = SAID.plain as string
    const said = `X-Say: ${Buffer.from(`${response}HTTP/1.1 200 OK\r\n`).toString('base64')}\r\nX-Cut: 9\r\n`
    client.send(`GET /drop/x HTTP/1.1\r\nHost: front\r\n${said}\r\n`)
    await client.until(() => client.text.endsWith('hello'))
    assert.equal(client.text, wanted('/drop', response))
    assert.match(await client.get('/b/plain'), /^HTTP\/1.1 200 OK\r\nContent-Length: \d+\r\n\r\nb /)
    assert.match(await client.get('/a/plain'), /^HTTP\/1.1 200 OK\r\nContent-Length: \d+\r\n\r\na /)
  })

  it('leaves a head that is longer than a window to the relay, which changes it, and goes on', async () => {
    const client = await node.openWarm()
    for (const bytes of [4000, 6000, 40_000]) {
      const text = await client.get(`/drop/wide-${bytes}`)
      const body = `a ${/a (\d+)/.exec(text)?.[1]} GET /drop/wide-${bytes} 0:0 `
      const kept = `X-Kept: ${'v'.repeat(bytes)}\r\nContent-Length: ${body.length}\r\n\r\n${body}`
      assert.equal(text, `${base}${kept}`)
      assert.match(await client.get('/a/plain'), /a \d+ GET/)
    }
  })

  it('a response that began under one generation is changed by its tables under the next', async () => {
    await node.enforce(2, [], [{ ...ROUTE, rules: ROUTE.rules.slice(0, 2) }])
    await node.node.kernel.flip(1, 1)
    const client = await node.openWarm()
    const response = SAID.plain as string
    const cuts = Array.from({ length: 50 }, (_, i) => i + 1).join()
    const said = `X-Say: ${Buffer.from(response).toString('base64')}\r\nX-Cut: ${cuts}\r\n`
    const routed = node.ways().KERNEL_ROUTED
    const done = await byKernel(node, async () => {
      client.send(`GET /drop/x HTTP/1.1\r\nHost: front\r\n${said}\r\n`)
      await node.until(async () => node.ways().KERNEL_ROUTED > routed)
      await node.node.kernel.flip(2, 2)
      assert.equal(client.text, '')
      await client.until(() => client.text.length >= wanted('/drop', response).length)
    })
    assert.equal(client.text, wanted('/drop', response))
    assert.deepEqual(done, { routed: 1, answered: 0 })
    await node.node.kernel.flip(1, 1)
  })
})

function sum(text: string): number {
  let total = 0
  for (const byte of Buffer.from(text, 'latin1')) total = (total * 31 + byte) % 1_000_000_007
  return total
}
