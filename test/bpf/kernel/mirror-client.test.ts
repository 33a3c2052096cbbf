/** Mirrors of an endpoint of the same node: copied where its client sends, by the kernel or by the relay. */
import assert from 'node:assert/strict'
import { after, afterEach, before, describe, it } from 'node:test'
import type { Filter } from '../../../pipelines/policy/route.ts'
import { exchange, readReplies } from './exchange.ts'
import { whyNoKernel } from './kernel-fixture.ts'
import { MirrorNode, mirrorPolicy } from './mirror-node.ts'
import { responses } from './outbound-connection.ts'
import { FRONT_ROUTE } from './outbound-fixture.ts'

/** A copy as it comes, with what it has besides. */
const copied = (request: string) => request.replace('\r\n\r\n', '\r\nx-heddle-mirrored: 1\r\n\r\n')
const post = (target: string, bytes: number) =>
  `POST ${target} HTTP/1.1\r\nHost: front\r\nContent-Length: ${bytes}\r\n\r\n${'x'.repeat(bytes)}`
const get = (target: string) => `GET ${target} HTTP/1.1\r\nHost: front\r\n\r\n`

describe('mirrors on the client side', { skip: whyNoKernel() ?? false, concurrency: false }, () => {
  let node: MirrorNode
  before(async () => {
    node = await MirrorNode.create([{ path: '/a/copied' }])
  })
  after(() => node.close())
  afterEach(() => {
    node.target.requests.length = 0
  })

  type Client = Awaited<ReturnType<MirrorNode['fixture']['open']>>

  /** So many requests, carried as `way` says. */
  async function ask(client: Client, requests: string, count = 1): Promise<void> {
    client.forget()
    client.send(requests)
    await client.until(() => responses(client.text) === count)
    assert.match(client.text, /^HTTP\/1\.1 200 /)
  }

  for (const [what, request] of [
    ['without a body', get('/a/copied/plain')],
    ['with a body', post('/a/copied/plain', 5_000)],
    ['as long as copies may be', post('/a/copied/plain', 65_000)],
    [
      'in chunks',
      'POST /a/copied/plain HTTP/1.1\r\nHost: front\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n',
    ],
  ] as const) {
    it(`are copied in the kernel ${what}`, async () => {
      const client = await node.fixture.openWarm()
      const before = node.fixture.ways().KERNEL_ROUTED
      const begun = node.counters()['COPIED'] ?? 0
      await ask(client, request)
      assert.equal(node.fixture.ways().KERNEL_ROUTED - before, 1)
      assert.deepEqual(await node.came(1), [copied(request)])
      assert.equal((node.counters()['COPIED'] ?? 0) - begun, 1)
    })
  }

  it('are copied with a body that comes in pieces, and what is not meant is not', async () => {
    const client = await node.fixture.openWarm()
    const request = post('/a/copied/plain', 30_000)
    client.forget()
    for (let at = 0; at < request.length; at += 10_000) {
      client.send(request.slice(at, at + 10_000))
      await new Promise((later) => setTimeout(later, 20))
    }
    await client.until(() => responses(client.text) === 1)
    await ask(client, get('/a/plain'))
    await ask(client, get('/a/copied/plain?last'))
    assert.deepEqual(await node.came(2), [copied(request), copied(get('/a/copied/plain?last'))])
  })

  it('are lost where they are too long, and the request is not', async () => {
    const client = await node.fixture.openWarm()
    const before = node.counters()['COPY_LARGE'] ?? 0
    await ask(client, post('/a/copied/plain', 66_000))
    assert.equal((node.counters()['COPY_LARGE'] ?? 0) - before, 1)
    await ask(client, get('/a/copied/plain'))
    assert.deepEqual(await node.came(1), [copied(get('/a/copied/plain'))])
  })

  it('are of the head that a route has changed', async (t) => {
    const rewrite: Filter = { kind: 'rewrite', path: { kind: 'prefix', value: '/changed' } }
    const add: Filter = {
      kind: 'request-headers',
      set: [],
      add: [{ name: 'X-Way', value: 'a' }],
      remove: [],
    }
    const rules = FRONT_ROUTE.rules.map((rule) => ({ ...rule, filters: [rewrite, add] }))
    await node.enforce([mirrorPolicy([{ path: '/changed/it' }])], [{ ...FRONT_ROUTE, rules }])
    t.after(() => node.enforce([mirrorPolicy([{ path: '/a/copied' }])]))
    const client = await node.fixture.openWarm()
    const before = node.fixture.ways().KERNEL_ROUTED
    await ask(client, post('/a/it/plain', 3_000))
    assert.equal(node.fixture.ways().KERNEL_ROUTED - before, 1)
    const changed = post('/changed/it/plain', 3_000).replace('\r\n\r\n', '\r\nX-Way: a\r\n\r\n')
    assert.deepEqual(await node.came(1), [copied(changed)])
  })

  it('are copied by the relay where that has the connection, chunked, pipelined and of HTTP/1.0', async () => {
    const client = await node.fixture.open()
    const chunked =
      'POST /a/copied/plain HTTP/1.1\r\nHost: front\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n'
    const old = 'GET /a/copied/plain HTTP/1.0\r\nHost: front\r\nConnection: keep-alive\r\n\r\n'
    await ask(client, `${chunked}${get('/a/plain')}${get('/a/copied/plain')}`, 3)
    await ask(await node.fixture.open(), old)
    assert.deepEqual(
      [...(await node.came(3))].sort(),
      [
        copied(chunked),
        copied(get('/a/copied/plain')),
        'GET /a/copied/plain HTTP/1.0\r\nHost: front\r\nx-heddle-mirrored: 1\r\n\r\n',
      ].sort(),
    )
  })
})

describe('mirrors of a workload in mode relay', { skip: whyNoKernel() ?? false }, () => {
  let node: MirrorNode
  before(async () => {
    node = await MirrorNode.create([{ path: '/copied' }], 'relay')
  })
  after(() => node.close())

  it('are copied by the relay', async () => {
    const requests = [
      post('/copied/1', 10_000),
      get('/else'),
      get('/copied/2'),
      post('/copied/3', 66_000),
      get('/copied/4'),
    ]
    const to = { host: '127.0.0.1', port: node.port, from: '127.0.0.1' }
    await node.fixture.until(async () => {
      const { modes } = (await node.fixture.stats()) as {
        modes: Record<string, { mode: string; reason: string }>
      }
      return modes['shop/caller']?.mode === 'relay' && modes['shop/caller'].reason !== 'no-listener'
    })
    const { replies } = await exchange(
      to,
      [Buffer.from(requests.join(''))],
      (so) => readReplies(so, []).length === 5,
    )
    assert.equal(readReplies(replies, []).filter(({ status }) => status === 200).length, 5)
    const wanted = [post('/copied/1', 10_000), get('/copied/2'), get('/copied/4')].map(copied)
    assert.deepEqual([...(await node.came(3))].sort(), wanted.sort())
    assert.equal((await node.stats()).lost['tooLarge'], 1)
    assert.deepEqual(node.counters(), {})
  })
})
