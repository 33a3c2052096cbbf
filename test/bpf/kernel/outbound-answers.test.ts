/** Routes of a MeshPolicy that answer themselves, or fail on purpose: by the kernel and by the relay, in the same bytes. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { readPolicies } from '../../../functions/validate/load-policies.ts'
import type { Route } from '../../../pipelines/policy/route.ts'
import { whyNoKernel } from './kernel-fixture.ts'
import { type Connection, responses } from './outbound-connection.ts'
import { OutboundFixture } from './outbound-fixture.ts'
import { ask, byKernel, request } from './outbound-routes.ts'

const skip = whyNoKernel()
/** What the kernel writes in one go, and one more. */
const LONGEST = 1_024
const TO = 'to: [{service: a, port: 80}]'
const PLAIN = 'Content-Type: text/plain; charset=utf-8\r\n'
/** Tries of a statistical test. */
const TRIES = 2_000
/** Standard deviations: a sound draw is outside once in 500 million runs. */
const SIGMAS = 6

const POLICY = `apiVersion: heddle.dev/v1
kind: MeshPolicy
metadata: {name: front, namespace: shop}
spec:
  service: {name: front, port: 80}
  routes:
  - {match: {path: {prefix: /a}}, ${TO}}
  - {match: {path: {prefix: /b}}, to: [{service: b, port: 80}]}
  - {match: {path: {prefix: /closed}}, respond: {status: 503, body: "closed\\n"}, responseHeaders: {add: [{name: Retry-After, value: "60"}]}}
  - {match: {path: {prefix: /json}}, respond: {status: 418, contentType: application/json, body: '{"é": 1}'}}
  - {match: {path: {prefix: /bare}}, respond: {status: 200}, responseHeaders: {remove: [server, content-type]}}
  - {match: {path: {prefix: /none}}, respond: {status: 204}}
  - {match: {path: {prefix: /fits}}, respond: {status: 200, body: ${'f'.repeat(LONGEST)}}}
  - {match: {path: {prefix: /long}}, respond: {status: 200, body: ${'l'.repeat(LONGEST + 1)}}}
  - {match: {path: {prefix: /largest}}, respond: {status: 200, body: ${'b'.repeat(16_384)}}}
  - {match: {path: {prefix: /fails}}, ${TO}, fault: {abort: {status: 503, percent: 100}}}
  - {match: {path: {prefix: /never}}, ${TO}, fault: {abort: {status: 503, percent: 0}, delay: {duration: 60s, percent: 0}}}
  - {match: {path: {prefix: /seldom}}, ${TO}, fault: {abort: {status: 599, percent: 12.34}}}
  - {match: {path: {prefix: /waits}}, ${TO}, fault: {delay: {duration: 300ms, percent: 100}}}
  - {match: {path: {prefix: /fails-first}}, ${TO}, fault: {abort: {status: 500, percent: 100}, delay: {duration: 60s, percent: 100}}}
  - {match: {path: {prefix: /minute}}, ${TO}, fault: {delay: {duration: 60s, percent: 100}}}
  - {match: {path: {prefix: /quiet}}, ${TO}, timeout: {idle: 600ms}}
  - {match: {path: {prefix: /once}}, ${TO}, retry: {codes: [500], budget: {percent: 0, least: 0}}}
  - {match: {path: {prefix: /again}}, ${TO}, retry: {codes: [500], attempts: 2, backoff: 1ms, budget: {}}}
  - {match: {path: {prefix: /late}}, ${TO}, timeout: {request: 200ms}, fault: {delay: {duration: 60s, percent: 100}}}
`

function routesOf(text: string): Route[] {
  const loaded = readPolicies([{ path: 'front.yaml', text }])
  if (!('set' in loaded)) assert.fail(loaded.findings.map(({ message }) => message).join('\n'))
  return loaded.set.routes
}

const FAULT = 'X-Heddle-Fault: abort\r\n'
const head = (status: string, fields: string, length: number) =>
  `HTTP/1.1 ${status}\r\n${fields}Content-Length: ${length}\r\n`
/** By path: the head up to its empty line, the lines behind its length included, and the body. */
const ANSWERS: [string, string, string][] = [
  [
    '/closed',
    `${head('503 Service Unavailable', `Server: heddle\r\n${PLAIN}`, 7)}Retry-After: 60\r\n`,
    'closed\n',
  ],
  ['/json', head('418 ', 'Server: heddle\r\nContent-Type: application/json\r\n', 9), '{"\xc3\xa9": 1}'],
  ['/bare', head('200 OK', '', 0), ''],
  ['/none', 'HTTP/1.1 204 No Content\r\nServer: heddle\r\n', ''],
  ['/fits', head('200 OK', `Server: heddle\r\n${PLAIN}`, LONGEST), 'f'.repeat(LONGEST)],
  ['/fails', `${head('503 Service Unavailable', 'Server: heddle\r\n', 0)}${FAULT}`, ''],
]
const LONG: [string, string, string][] = [
  ['/long', head('200 OK', `Server: heddle\r\n${PLAIN}`, LONGEST + 1), 'l'.repeat(LONGEST + 1)],
  ['/largest', head('200 OK', `Server: heddle\r\n${PLAIN}`, 16_384), 'b'.repeat(16_384)],
  ['/fails-first', `${head('500 Internal Server Error', 'Server: heddle\r\n', 0)}${FAULT}`, ''],
]

describe('routes that answer or fail on purpose', { skip, concurrency: false }, () => {
  let node: OutboundFixture
  before(async () => {
    node = await OutboundFixture.create([], routesOf(POLICY))
  })
  after(() => node.close())

  /** Stays with the relay: its client has pipelined. */
  async function openSlow(): Promise<Connection> {
    const client = await node.openWarm()
    client.send(`${request('/a/plain')}${request('/a/plain')}`)
    await client.until(() => responses(client.text) === 2)
    return client
  }

  /** That many more requests were taken by the kernel, one way or the other. */
  const taken = () => node.ways().KERNEL_ANSWERED + node.ways().KERNEL_ROUTED

  /** What stands before the answer to a request to a server, which follows at once. */
  async function upTo(client: Connection, message: string, path = '/a/plain'): Promise<string> {
    client.forget()
    client.send(message)
    await client.until(() => client.text.includes('\r\n\r\n'))
    client.send(request(path))
    await client.until(() => / GET \/[ab]\/plain /.test(client.text))
    return client.text.slice(0, client.text.lastIndexOf('HTTP/1.1 200 OK\r\nContent-Length: '))
  }

  for (const [path, first, body] of ANSWERS) {
    it(`${path} is answered by the kernel, with as many bytes as it says`, async () => {
      const client = await node.openWarm()
      for (const sent of ['', 'x'.repeat(20), 'x'.repeat(3_000)]) {
        const framing = sent && `Content-Length: ${sent.length}\r\n`
        const message = `POST ${path}/x?q HTTP/1.1\r\nHost: front\r\n${framing}\r\n${sent}`
        let got = ''
        const done = await byKernel(node, async () => (got = await ask(client, message)))
        assert.equal(got, `${first}\r\n${body}`)
        assert.deepEqual(done, { routed: 0, answered: 1 })
      }
    })

    it(`${path} is answered to HEAD without a body, and the next response stands in its place`, async () => {
      for (const [client, carried] of [
        [await node.openWarm(), 2],
        [await openSlow(), 0],
      ] as const) {
        const before = taken()
        assert.equal(await upTo(client, request(path, { method: 'HEAD' })), `${first}\r\n`)
        assert.equal(taken() - before, carried)
      }
    })

    it(`${path} is answered by the relay in the same bytes`, async () => {
      const client = await openSlow()
      const before = taken()
      assert.equal(await ask(client, request(path)), `${first}\r\n${body}`)
      assert.equal(taken(), before)
    })

    it(`${path} is answered by the relay to who ends its connection`, async () => {
      const client = await node.openWarm()
      client.send(request(path, { more: 'Connection: close\r\n' }))
      await client.until(() => client.end === 'FIN')
      const own = 'Connection: close\r\n'
      const ended = first.includes('Content-Length')
        ? first.replace('Content-Length', `${own}Content-Length`)
        : `${first}${own}`
      assert.equal(client.text, `${ended}\r\n${body}`)
    })
  }

  for (const [path, first, body] of LONG)
    it(`${path} is the relay's, on a connection of the kernel`, async () => {
      const client = await node.openWarm()
      const before = node.ways().SLOW_ROUTE
      assert.equal(await ask(client, request(path)), `${first}\r\n${body}`)
      assert.equal(await upTo(client, request(path, { method: 'HEAD' })), `${first}\r\n`)
      assert.ok(node.ways().SLOW_ROUTE > before)
    })

  it('who pipelines gets answers in order', async () => {
    const client = await node.openWarm()
    const paths = ['/closed', '/a/plain', '/none', '/fails', '/long', '/a/plain', '/fits']
    client.send(paths.map((path) => request(path)).join(''))
    await client.until(() => responses(client.text) === paths.length)
    const statuses = [...client.text.matchAll(/HTTP\/1\.1 (\d+) /g)].map(([, status]) => status)
    assert.deepEqual(statuses, ['503', '200', '204', '503', '200', '200', '200'])
  })

  it('of 0 % of requests none fails or waits, and the kernel carries them', async () => {
    const client = await node.openWarm()
    const done = await byKernel(node, async () => {
      for (let i = 0; i < 100; i++) assert.match(await client.get('/never/plain'), /a \d+ GET/)
    })
    assert.deepEqual(done, { routed: 100, answered: 0 })
  })

  /** How many of them were aborted; the others got to their server. */
  async function aborted(client: Connection): Promise<number> {
    let count = 0
    for (let i = 0; i < TRIES; i++) {
      const got = await client.get('/seldom/plain')
      if (got.startsWith('HTTP/1.1 599 \r\nServer: heddle\r\n')) count++
      else assert.match(got, /a \d+ GET/)
    }
    return count
  }

  function checkShare(count: number, percent: number): void {
    const part = percent / 100
    const sigma = Math.sqrt(TRIES * part * (1 - part))
    const off = Math.abs(count - TRIES * part)
    assert.ok(off < SIGMAS * sigma, `${count} of ${TRIES}, where ${percent} % are to fail`)
  }

  it('12.34 % of requests fail, drawn in the kernel', async () => {
    const client = await node.openWarm()
    let count = 0
    const done = await byKernel(node, async () => (count = await aborted(client)))
    assert.deepEqual(done, { routed: TRIES - count, answered: count })
    checkShare(count, 12.34)
  })

  it('and as many where the relay draws', async () => {
    const client = await openSlow()
    const before = taken()
    checkShare(await aborted(client), 12.34)
    assert.equal(taken(), before)
  })

  it('a request that waits is sent on after that time, with its body', async () => {
    const client = await node.openWarm()
    const begun = performance.now()
    const sent = 'x'.repeat(20_000)
    const message = `PUT /waits/plain HTTP/1.1\r\nHost: front\r\nContent-Length: 20000\r\n\r\n${sent}`
    assert.match(await ask(client, message), /a \d+ PUT \/waits\/plain 20000:/)
    assert.ok(performance.now() - begun >= 299, `${performance.now() - begun} ms`)
  })

  it('a client that resets its connection while its request waits leaves nothing behind: no server hears of it', async () => {
    const client = await node.openWarm()
    const abandoned = async () =>
      ((await node.stats()).outbound as { requests: { abandoned: number } }).requests.abandoned
    const before = await abandoned()
    // They come to the relay together: once the first is answered, it has the other.
    client.send(request('/waits/plain') + request('/minute/plain'))
    await client.until(() => responses(client.text) === 1)
    client.command('reset')
    await node.until(async () => (await abandoned()) === before + 1)
  })

  it('an endpoint that says nothing for the idle time is answered for; within its response it is a reset', async () => {
    const silent = await node.openWarm()
    assert.match(await ask(silent, request('/quiet/never')), /^HTTP\/1.1 504 /)
    assert.match(await silent.get('/quiet/plain'), /a \d+ GET/)
    const said = Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf').toString('base64')
    const broken = await node.openWarm()
    broken.send(request('/quiet/x', { more: `X-Say: ${said}\r\n` }))
    await broken.until(() => broken.text.endsWith('half') && broken.failure === 'ECONNRESET')
  })

  it('a retry without a budget left is none, and is counted', async () => {
    const counts = async () => (await node.stats()).outbound as { retries: number; overBudget: number }
    const before = await counts()
    const client = await node.openWarm()
    assert.match(await ask(client, request('/once/sick-a')), /^HTTP\/1.1 500 Sick/)
    assert.match(await ask(client, request('/again/sick-a')), /^HTTP\/1.1 500 Sick/)
    const { retries, overBudget } = await counts()
    assert.deepEqual([retries - before.retries, overBudget - before.overBudget], [2, 1])
  })

  it('waiting is a part of the time that a request has', async () => {
    const client = await node.openWarm()
    const begun = performance.now()
    assert.match(await ask(client, request('/late/plain')), /^HTTP\/1.1 504 /)
    assert.ok(performance.now() - begun < 30_000)
  })
})
