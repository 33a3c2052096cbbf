/** Mirrors on the inbound side: requests by wire to a server of the node, copied by the kernel, sent by the relay. */
import assert from 'node:assert/strict'
import { after, afterEach, before, describe, it } from 'node:test'
import { exchange, readReplies } from './exchange.ts'
import { whyNoKernel } from './kernel-fixture.ts'
import { MirrorNode, mirrorPolicy } from './mirror-node.ts'

const bytewise = (bytes: Buffer) => [...bytes].map((byte) => Buffer.of(byte))
/** What a server of the workload that only says what it hears was told. */
async function fromRawServer(node: MirrorNode, bytes: string): Promise<string> {
  const server = await node.fixture.node.recordingServer()
  const to = { host: '127.0.0.1', port: server.port, from: '127.0.0.1' }
  const { port } = await exchange(to, [Buffer.from(bytes, 'latin1')], () => true)
  return (await server.recorded(port)).bytes.toString('latin1')
}

/** A copy as it comes, with what it has besides. */
const copied = (request: string) => request.replace('\r\n\r\n', '\r\nx-heddle-mirrored: 1\r\n\r\n')

describe('a mirror in the kernel', { skip: whyNoKernel() ?? false }, () => {
  let node: MirrorNode
  before(async () => {
    node = await MirrorNode.create()
  })
  after(() => node.close())
  afterEach(() => {
    node.target.requests.length = 0
    node.target.manner = 'answers'
  })

  /** Replies to so many requests of one connection. */
  async function ask(parts: Buffer[] | string, replies = 1) {
    const bytes = typeof parts === 'string' ? [Buffer.from(parts, 'latin1')] : parts
    const to = { host: '127.0.0.1', port: node.port, from: '127.0.0.1' }
    const got = await exchange(to, bytes, (so) => readReplies(so, []).length >= replies)
    return readReplies(got.replies, [])
  }

  it('copies method, path, fields and body, and says so', async () => {
    const request =
      'POST /some/path?q=1 HTTP/1.1\r\nHost: a\r\nX-Some: thing  \r\nContent-Length: 5\r\n\r\nhello'
    const [reply] = await ask(request)
    assert.equal(reply?.status, 200)
    assert.deepEqual(await node.came(1), [copied(request)])
  })

  it('copies what comes in single bytes, and chunks with their trailer', async () => {
    const chunked =
      'PUT /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;x="y"\r\nhello\r\n3\r\n...\r\n0\r\nX-T: 1\r\n\r\n'
    const [reply] = await ask(bytewise(Buffer.from(chunked)))
    assert.equal(reply?.status, 200)
    assert.deepEqual(await node.came(1), [copied(chunked)])
  })

  it('copies each of several requests in one segment, whose last goes on in others', async () => {
    const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`
    const post = `POST /3 HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n`
    const parts = [
      `${get('/1')}${get('/2')}${post}one`,
      'two',
      `six${get('/4').slice(0, 9)}`,
      get('/4').slice(9),
    ]
    const replies = await ask(
      parts.map((part) => Buffer.from(part)),
      4,
    )
    assert.deepEqual(
      replies.map(({ status }) => status),
      [200, 200, 200, 200],
    )
    const wanted = [get('/1'), get('/2'), `${post}onetwosix`, get('/4')].map(copied)
    assert.deepEqual([...(await node.came(4))].sort(), wanted.sort())
  })

  it('copies up to 64 KB, and counts what is longer as lost', async () => {
    const post = (bytes: number) =>
      `POST /big HTTP/1.1\r\nHost: a\r\nContent-Length: ${bytes}\r\n\r\n${'x'.repeat(bytes)}`
    const whole = post(65_000)
    assert.equal((await ask(whole))[0]?.status, 200)
    assert.deepEqual(await node.came(1), [copied(whole)])
    const before = node.counters()['COPY_LARGE'] ?? 0
    assert.equal((await ask(post(65_536)))[0]?.status, 200)
    assert.equal((node.counters()['COPY_LARGE'] ?? 0) - before, 1)
    const lost = (await node.stats()).lost['tooLarge'] ?? 0
    const chunk = `8000\r\n${'y'.repeat(0x8000)}\r\n`
    const chunked = `POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${chunk.repeat(3)}0\r\n\r\n`
    assert.equal((await ask(chunked))[0]?.status, 200)
    await node.until((stats) => stats.lost['tooLarge'] === lost + 1)
    assert.equal(node.target.requests.length, 1)
  })

  it('leaves out what spoke of the connection, and copies no copy', async () => {
    const fields = 'Connection: keep-alive, X-Hop\r\nKeep-Alive: 5\r\nX-Hop: 1\r\nTE: trailers\r\nX-End: e'
    const { lost } = await node.stats()
    const again = 'GET /again HTTP/1.1\r\nHost: a\r\nX-Heddle-Mirrored: 1\r\n\r\n'
    const replies = await ask(`${again}GET /hop HTTP/1.1\r\nHost: a\r\n${fields}\r\n\r\n`, 2)
    assert.deepEqual(
      replies.map(({ status }) => status),
      [200, 200],
    )
    assert.deepEqual(await node.came(1), [
      'GET /hop HTTP/1.1\r\nHost: a\r\nX-End: e\r\nx-heddle-mirrored: 1\r\n\r\n',
    ])
    await node.until((stats) => stats.lost['again'] === (lost['again'] ?? 0) + 1)
  })

  it('sends HTTP/1.0 as it came', async () => {
    const request = 'GET /old HTTP/1.0\r\n\r\n'
    assert.equal((await ask(request))[0]?.status, 200)
    assert.deepEqual(await node.came(1), [copied(request)])
  })

  for (const [manner, why] of [
    ['breaks', 'failed'],
    ['refuses', 'failed'],
    ['stalls', 'timedOut'],
    ['closes', undefined],
  ] as const) {
    it(`does not tell the client of a target that ${manner}`, async () => {
      node.target.manner = manner
      const { lost, delivered } = await node.stats()
      const began = performance.now()
      for (let request = 0; request < 5; request++)
        assert.equal((await ask(`GET /${manner} HTTP/1.1\r\nHost: a\r\n\r\n`))[0]?.status, 200)
      assert.ok(performance.now() - began < 4_000, 'a request waited for its copy')
      if (why) await node.until((stats) => (stats.lost[why] ?? 0) >= (lost[why] ?? 0) + 5)
      else await node.until((stats) => stats.delivered >= delivered + 5)
    })
  }

  it("counts what it can't keep while nobody takes it, and every request is answered", async () => {
    const before = { kernel: node.counters(), relay: await node.stats() }
    node.fixture.freezeRelay()
    const large = `POST /r HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n${'r'.repeat(60_000)}`
    for (let turn = 0; turn < 60; turn++) assert.equal((await ask(large))[0]?.status, 200)
    const small = 'GET /s HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(100)
    for (let turn = 0; turn < 3; turn++) assert.equal((await ask(small, 100)).length, 100)
    const grown = (name: string) => (node.counters()[name] ?? 0) - (before.kernel[name] ?? 0)
    assert.ok(grown('COPY_RING') > 0)
    assert.equal(grown('COPIED') + grown('COPY_RING'), 360)
    node.fixture.thawRelay()
    // All that was begun comes to an end, and what lacks a part is counted; but for the one that took the last
    // bytes of the ring, of which nobody could say so: that is given up after 30 s.
    const ends = ({ delivered, lost }: Awaited<ReturnType<MirrorNode['stats']>>) =>
      Object.values(lost).reduce((sum, count) => sum + count, delivered)
    const { lost } = await node.until((stats) => ends(stats) - ends(before.relay) >= grown('COPIED') - 1)
    assert.ok((lost['incomplete'] ?? 0) > (before.relay.lost['incomplete'] ?? 0))
    assert.equal((await ask('GET /later HTTP/1.1\r\nHost: a\r\n\r\n'))[0]?.status, 200)
    await node.until(() => node.target.requests.some((each) => each.startsWith('GET /later')))
  })
})

describe('which requests a mirror copies', { skip: whyNoKernel() ?? false }, () => {
  let node: MirrorNode
  before(async () => {
    node = await MirrorNode.create()
  })
  after(() => node.close())
  afterEach(() => {
    node.target.requests.length = 0
    node.others.requests.length = 0
  })

  const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`

  async function ask(stream: string, replies: number) {
    const to = { host: '127.0.0.1', port: node.port, from: '127.0.0.1' }
    const got = await exchange(
      to,
      [Buffer.from(stream, 'latin1')],
      (so) => readReplies(so, []).length >= replies,
    )
    return readReplies(got.replies, []).map(({ status }) => status)
  }

  /** Copies are sent in the order in which their requests came: what comes last shows that no other will. */
  async function paths(stream: string, replies: number): Promise<string[]> {
    await ask(stream, replies)
    await ask(get('/last'), 1)
    await node.until(() => node.target.requests.some((each) => each.startsWith('GET /last')))
    return node.target.requests.map((each) => each.split(' ')[1] as string).filter((path) => path !== '/last')
  }

  it('those that its match names, and that are let in', async () => {
    const policy = mirrorPolicy([{ path: '/a' }, { path: '/last' }])
    const [all] = policy.allow
    const deny = { condition: { kind: 'path', text: { kind: 'prefix', value: '/a/secret' } } } as const
    const denied = {
      ...(all as NonNullable<typeof all>),
      http: [{ source: policy.source, headers: [], ...deny }],
    }
    await node.enforce([{ ...policy, deny: [denied] }])
    assert.deepEqual(await paths([get('/a/1'), get('/b'), get('/a/2')].join(''), 3), ['/a/1', '/a/2'])
    assert.deepEqual(await ask(get('/a/secret'), 1), [403])
    assert.deepEqual(await paths(get('/b'), 1), ['/a/1', '/a/2'])
  })

  it('none of a million', async () => {
    await node.enforce([mirrorPolicy([{ ratio: 0 }, { path: '/last' }])])
    assert.deepEqual(await paths(get('/x').repeat(50), 50), [])
  })

  it('one in ten', async () => {
    await node.enforce([mirrorPolicy([{ path: '/x', ratio: 100_000 }, { path: '/last' }])])
    const asked = 4_000
    for (let sent = 0; sent < asked; sent += 200)
      assert.equal((await ask(get('/x').repeat(200), 200)).length, 200)
    const copies = (await paths(get('/none'), 1)).length
    // Binomial: mean 400, standard deviation 19; six of them come by chance once in 500 million runs.
    assert.ok(Math.abs(copies - asked / 10) < 6 * Math.sqrt(asked * 0.1 * 0.9), `${copies} copies`)
  })

  it('each to its own service once, and to no more than four', async () => {
    const more = ['more-1', 'more-2', 'more-3', 'more-4', 'more-5'].map((to) => ({ path: '/many', to }))
    const twice = { path: '/two', to: 'others', ratio: 999_999 }
    await node.enforce([mirrorPolicy([{ path: '/two' }, { ...twice, ratio: 1_000_000 }, twice, ...more])])
    assert.deepEqual(await ask(get('/two'), 1), [200])
    await node.came(1)
    await node.came(1, node.others)
    const before = node.counters()
    assert.deepEqual(await ask(get('/many'), 1), [200])
    await node.came(5, node.others)
    assert.equal((node.counters()['COPY_BEYOND'] ?? 0) - (before['COPY_BEYOND'] ?? 0), 1)
    assert.equal((node.counters()['COPIED'] ?? 0) - (before['COPIED'] ?? 0), 4)
  })

  it('none for a service that the node does not know, and says so', async () => {
    await node.enforce([mirrorPolicy([{ to: 'nobody' }])])
    const before = node.counters()['COPY_NO_SERVICE'] ?? 0
    assert.deepEqual(await ask(get('/x'), 1), [200])
    assert.equal((node.counters()['COPY_NO_SERVICE'] ?? 0) - before, 1)
  })

  it('of a workload that nothing selects; and what is no HTTP goes on as if there were no mirror', async () => {
    await node.enforce([mirrorPolicy([{}], false)])
    assert.deepEqual(await paths(get('/open'), 1), ['/open'])
    const text = await fromRawServer(node, 'EHLO there\r\nGET / HTTP/1.1\r\n broken: yes\r\n\r\n')
    assert.equal(text, 'EHLO there\r\nGET / HTTP/1.1\r\n broken: yes\r\n\r\n')
  })
})
