/** Rate limits in the kernel: what passes is what the arithmetic says, whoever asks, in whatever pieces. */
import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { currentDispatcher } from '../../../agent/adapters/attach.ts'
import { addressBytes } from '../../../agent/adapters/address-bytes.ts'
import { KernelLimits } from '../../../agent/relay/kernel-limits.ts'
import { limitId, rateOf } from '../../../pipelines/policy/limit.ts'
import { buildTables } from '../../../pipelines/tables/build-tables.ts'
import { TablesWalker } from '../../../pipelines/tables/walk.ts'
import { parseHttp1 } from '../../../pipelines/protocols/http1.ts'
import { exchange, readReplies } from './exchange.ts'
import { whyNoKernel, type KernelFixture } from './kernel-fixture.ts'
import { atOnce, type Counted, limitedSet } from './limited-policy.ts'
import { enforce, enforced } from './one-rule.ts'

const DEEP = process.env['HEDDLE_DEEP'] === '1'
/** So often nothing is left for one of many connections. */
const REFUSALS = DEEP ? 20_000 : 1_000
const CONNECTIONS = 64

type Asked = { path?: string; fields?: string[]; from?: string }

function head({ path = '/', fields = [] }: Asked): string {
  return [`GET ${path} HTTP/1.1`, 'Host: a', ...fields, '', ''].join('\r\n')
}

/** One request on a connection of its own: its status, and the reply's text. */
async function ask(port: number, asked: Asked = {}, cut = (bytes: Buffer) => [bytes]) {
  const to = { host: '127.0.0.1', port, from: asked.from ?? '127.0.0.1' }
  const parts = cut(Buffer.from(head(asked), 'latin1'))
  const { replies } = await exchange(to, parts, (bytes) => readReplies(bytes, [false]).length === 1)
  return { status: readReplies(replies, [false])[0]?.status ?? 0, text: replies.toString('latin1') }
}

async function statuses(port: number, asked: readonly Asked[]): Promise<number[]> {
  const seen: number[] = []
  for (const each of asked) seen.push((await ask(port, each)).status)
  return seen
}

async function limited(t: TestContext, limits: readonly Counted[], allowed = true) {
  const { fixture } = await enforced(t, limitedSet(limits, allowed))
  const server = await fixture.recordingServer()
  return { fixture, port: server.port }
}

const bytewise = (bytes: Buffer) => [...bytes].map((byte) => Buffer.of(byte))

describe('a rate limit in the kernel', { skip: whyNoKernel() ?? false }, () => {
  it('lets its burst pass and answers the next request with 429, when to come again and what the limit is', async (t) => {
    const limit = { bucket: 'token' as const, rate: 3, per: 60_000, burst: 2, key: [] }
    const { port } = await limited(t, [{ name: 'all', limit }])
    assert.deepEqual(await statuses(port, [{}, {}]), [200, 200])
    const { status, text } = await ask(port)
    assert.equal(status, 429)
    assert.match(text, /^HTTP\/1\.1 429 Too Many Requests\r\n/)
    assert.match(text, /\r\nRetry-After: +(19|20)\r\n/)
    assert.match(text, /\r\nRateLimit-Policy: "limit";q=00000003;w=00000060\r\n/)
    assert.match(text, /\r\nRateLimit: "limit";r=0;t=000000(19|20)\r\n/)
    assert.match(text, /\r\nConnection: close\r\n/)
  })

  it('counts requests of one connection as those of many, and ends it behind the responses that are owed', async (t) => {
    const { port } = await limited(t, [{ name: 'all', limit: atOnce(3) }])
    const stream = Buffer.from(head({}).repeat(5), 'latin1')
    const { replies } = await exchange({ host: '127.0.0.1', port, from: '127.0.0.1' }, [stream], (bytes) => {
      return readReplies(bytes, []).length === 4
    })
    assert.deepEqual(
      readReplies(replies, []).map(({ status }) => status),
      [200, 200, 200, 429],
    )
    assert.match(replies.toString('latin1'), /\r\nRetry-After: +\d+\r\n/)
  })

  it('counts only what its match names, and never allows what no rule does', async (t) => {
    const { port } = await limited(t, [{ name: 'some', limit: atOnce(1), path: '/a' }])
    assert.deepEqual(
      await statuses(port, [{ path: '/a' }, { path: '/b' }, { path: '/a?q' }, { path: '/b' }]),
      [200, 200, 429, 200],
    )
  })

  it('limits a workload that no policy selects otherwise', async (t) => {
    const { port } = await limited(t, [{ name: 'all', limit: atOnce(1) }], false)
    assert.deepEqual(await statuses(port, [{}, {}]), [200, 429])
  })

  const KEYS: { what: string; key: Parameters<typeof atOnce>[1]; asked: Asked[]; seen: number[] }[] = [
    {
      what: 'a path, without its query',
      key: [{ kind: 'path' }],
      asked: [{ path: '/a' }, { path: '/b' }, { path: '/a?x' }, { path: '/b' }],
      seen: [200, 200, 429, 429],
    },
    {
      what: 'a header, whose lines are one list',
      key: [{ kind: 'header', name: 'x-tenant' }],
      asked: [
        { fields: ['X-Tenant: a'] },
        { fields: ['x-tenant: b'] },
        { fields: ['X-Tenant:   a  '] },
        {},
        { fields: ['X-Tenant:'] },
        { fields: ['X-Tenant: a', 'X-Other: q', 'x-tenant: b'] },
        { fields: ['X-Tenant: a,b'] },
        {},
      ],
      seen: [200, 200, 429, 200, 200, 200, 429, 429],
    },
    {
      what: 'who asks',
      key: [{ kind: 'identity' }],
      asked: [{ from: '127.1.0.9' }, { from: '127.2.3.4' }, { from: '127.1.0.9' }, {}, {}],
      seen: [200, 200, 429, 200, 429],
    },
    {
      what: 'several of them together',
      key: [{ kind: 'identity' }, { kind: 'path' }, { kind: 'header', name: 'x-a' }],
      asked: [
        { path: '/a', fields: ['X-A: 1'] },
        { path: '/a', fields: ['X-A: 2'] },
        { path: '/b', fields: ['X-A: 1'] },
        { path: '/a', fields: ['X-A: 1'], from: '127.1.0.9' },
        { path: '/a', fields: ['X-A: 1'] },
      ],
      seen: [200, 200, 200, 200, 429],
    },
  ]
  for (const { what, key, asked, seen } of KEYS) {
    it(`keeps a bucket for ${what}`, async (t) => {
      const { port } = await limited(t, [{ name: 'keyed', limit: atOnce(1, key) }])
      assert.deepEqual(await statuses(port, asked), seen)
    })
  }

  it('reads keys of heads that come in single bytes', async (t) => {
    const key = [{ kind: 'path' as const }, { kind: 'header' as const, name: 'x-tenant' }]
    const { port } = await limited(t, [{ name: 'keyed', limit: atOnce(1, key) }])
    const asked = { path: '/some/path?q=1', fields: ['X-Tenant: some one  ', 'X-Tenant: else'] }
    assert.equal((await ask(port, asked, bytewise)).status, 200)
    assert.equal((await ask(port, asked)).status, 429)
    assert.equal((await ask(port, { ...asked, path: '/some/path' }, bytewise)).status, 429)
  })

  it('takes from none of its limits where one has no more', async (t) => {
    const wide = { name: 'wide', limit: atOnce(3) }
    const narrow = { name: 'narrow', limit: atOnce(1), path: '/a' }
    const { port } = await limited(t, [wide, narrow])
    assert.deepEqual(
      await statuses(port, [
        { path: '/a' },
        { path: '/a' },
        { path: '/a' },
        { path: '/b' },
        { path: '/b' },
        { path: '/b' },
      ]),
      [200, 429, 429, 200, 200, 429],
    )
  })

  it('keeps its buckets over a flip, and gives another limit new ones', async (t) => {
    const { fixture, port } = await limited(t, [{ name: 'all', limit: atOnce(2) }])
    assert.deepEqual(await statuses(port, [{}]), [200])
    await enforce(
      fixture,
      limitedSet([
        { name: 'all', limit: atOnce(2) },
        { name: 'more', limit: atOnce(9) },
      ]),
      2,
    )
    assert.deepEqual(await statuses(port, [{}, {}]), [200, 429])
    await enforce(fixture, limitedSet([{ name: 'all', limit: atOnce(1) }]), 3)
    assert.deepEqual(await statuses(port, [{}, {}]), [200, 429])
  })

  it('has the same buckets as the relay', async (t) => {
    const key = [
      { kind: 'identity' as const },
      { kind: 'path' as const },
      { kind: 'header' as const, name: 'x-tenant' },
    ]
    const counted = { name: 'keyed', limit: atOnce(2, key) }
    const { fixture, port } = await limited(t, [counted])
    const asked = { path: '/p?q', fields: ['X-Tenant: é', 'x-tenant: b'], from: '127.1.0.9' }
    assert.equal((await ask(port, asked)).status, 200)
    const take = relayTakes(fixture, counted)
    t.after(() => take.close())
    assert.equal(take.take(asked), undefined)
    assert.deepEqual({ ...take.take(asked), retryAfter: 0 }, { retryAfter: 0, quota: 1, window: 3600 })
    assert.equal((await ask(port, asked)).status, 429)
    assert.equal(take.take({ ...asked, from: '127.1.0.8' }), undefined)
  })

  it(`is exact with ${CONNECTIONS} connections at one key: never one too many, and nothing is left over`, async (t) => {
    // As much as is left unasked for would fill the bucket in 10 s: however slow a machine is, nothing is lost.
    const limit = { bucket: 'token' as const, rate: 40, per: 1_000, burst: 400, key: [] }
    const { port } = await limited(t, [{ name: 'all', limit }])
    const counts = { passed: 0, refused: 0 }
    const began = process.hrtime.bigint()
    let [first, empty] = [0n, 0n]
    await Promise.all(
      Array.from({ length: CONNECTIONS }, async () => {
        while (counts.refused < REFUSALS) {
          const asked = process.hrtime.bigint()
          const { status } = await ask(port)
          if (first === 0n) first = process.hrtime.bigint()
          if (status === 200) counts.passed++
          else if (status === 429) counts.refused++
          else assert.fail(`status ${status}`)
          if (status === 429 && asked > empty) empty = asked
        }
      }),
    )
    const { interval } = rateOf(limit)
    const most = limit.burst + Number((process.hrtime.bigint() - began) / interval)
    // Who asked last was refused: all that there was had been taken.
    const least = limit.burst + Number((empty - first) / interval) - 1
    t.diagnostic(`${counts.passed} of ${least} to ${most} passed, ${counts.refused} were refused`)
    assert.ok(counts.passed <= most, `${counts.passed} passed, ${most} may`)
    assert.ok(counts.passed >= least, `${counts.passed} passed, ${least} have to`)
  })
})

/** What the relay does for a request that it judges itself. */
function relayTakes(fixture: KernelFixture, counted: Counted) {
  const built = buildTables(limitedSet([counted]))
  assert.ok(built.ok)
  const walker = new TablesWalker(built.tables.blob)
  const named = { namespace: 'default', policy: 'limited', rule: counted.name }
  const limits = new KernelLimits()
  limits.follow(currentDispatcher(fixture.pins, fixture.cgroup)?.program('relay_take') ?? '')
  return {
    take(asked: Asked) {
      const [event] = parseHttp1(Buffer.from(head(asked), 'latin1'))
      assert.ok(event?.kind === 'head')
      const rates = walker.allowed((1n << BigInt(built.tables.blocks.length)) - 1n, event.request)
      assert.deepEqual(
        rates?.map(({ id }) => id),
        [limitId(named, counted.limit)],
      )
      const address = addressBytes(asked.from ?? '127.0.0.1')
      return limits.take(rates ?? [], event.request, { identity: 0, address })
    },
    close: () => limits.close(),
  }
}
