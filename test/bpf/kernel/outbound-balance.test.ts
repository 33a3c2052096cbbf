/**
 * Load balancing and health of endpoints through the real kernel: whom requests reach, against the shares that
 * the reference gives them (pipelines/services/balance.ts), and what failures, slow start and churn do to that.
 */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { nothingRests } from '../../../agent/service-runs.ts'
import { type ServiceWish, storesFor } from '../../../agent/service-stores.ts'
import { HealthLayout } from '../../../bpf/abi/heddle.gen.ts'
import type { HashOf, Spread } from '../../../pipelines/services/model.ts'
import { u32 } from '../../../agent/adapters/libbpf.ts'
import { chiSquare, chiSquareLimit } from '../../fakes/chi-square.ts'
import { whyNoKernel } from './kernel-fixture.ts'
import { type Connection, responses } from './outbound-connection.ts'
import { FRONT, OutboundFixture } from './outbound-fixture.ts'

const SERVERS = ['x0', 'x1', 'x2', 'x3'] as const
/** The service that /a… leads to. */
const SERVICE = 2
const DRAWS = 1_200
const EJECTED_MS = 1_500
const SLOW_MS = 3_000
/** An odd number, so that each comes in every form of head; an endpoint that has none of them by chance: 1e-7. */
const VALUES = 61

type Head = { target: string; fields: string }
const target = '/a/plain'
/** The same value in heads that differ: the first of its name counts, names of fields have no case. */
const KEYED: [what: string, hash: HashOf, heads: ((value: string) => Head)[]][] = [
  [
    'header',
    { of: 'header', name: 'X-User' },
    [
      (value) => ({ target, fields: `X-User: ${value}\r\n` }),
      (value) => ({ target, fields: `A: b\r\nx-USER:\t ${value} \r\nX-User: other\r\n` }),
    ],
  ],
  [
    'cookie',
    { of: 'cookie', name: 'sid' },
    [
      (value) => ({ target, fields: `Cookie: sid=${value}\r\n` }),
      (value) => ({ target, fields: `cookie: a=b;  sid=${value} ; SID=other; sid=other\r\n` }),
    ],
  ],
  [
    'query parameter',
    { of: 'query', name: 'user' },
    [
      (value) => ({ target: `${target}?user=${value}`, fields: '' }),
      (value) => ({ target: `${target}?users=1&&user=${value}&user=other`, fields: 'X: ?user=no\r\n' }),
    ],
  ],
]

describe('balance', { skip: whyNoKernel(), concurrency: false }, () => {
  let node: OutboundFixture
  let ports: number[]
  let client: Connection
  const resting = nothingRests()
  let clock = 0

  before(async () => {
    node = await OutboundFixture.create()
    ports = []
    for (const name of SERVERS) ports.push(await node.startServer(name))
    client = await node.open()
  })
  after(() => node.close())

  /** Servers by weight; null = is no endpoint. As the agent does it. */
  async function publish(weights: (number | null)[], spread: Spread = {}): Promise<void> {
    const endpoints = weights.flatMap((weight, i) =>
      weight === null ? [] : [{ address: '127.0.0.1', port: ports[i] as number, local: true, weight }],
    )
    const local = endpoints.length
    const none = { addresses: [], endpoints: [], local: 0, zone: 0 }
    const wishes: ServiceWish[] = [
      { ...none, number: 1, addresses: [{ address: FRONT.host, port: FRONT.port }] },
      { ...none, number: SERVICE, endpoints, local, zone: local, spread },
    ]
    const { outbound } = node.node.kernel
    const content = await outbound.read()
    assert.ok(content)
    clock += 10_000
    for (const store of storesFor(content, wishes, resting, clock)) await outbound.write(store)
  }

  const whoAnswered = (text: string) => SERVERS.findIndex((name) => text.includes(`\r\n\r\n${name} `))

  /** Whom so many requests reach. */
  async function reached(times: number, target = '/a/plain', by = client): Promise<number[]> {
    const counted = SERVERS.map(() => 0)
    for (let i = 0; i < times; i++) {
      const place = whoAnswered(await by.get(target))
      assert.ok(place >= 0, by.text)
      counted[place] = (counted[place] as number) + 1
    }
    return counted
  }

  /** Until the kernel has idle upstreams to all that take requests. */
  async function warm(times = 40): Promise<void> {
    await node.until(async () => {
      const routed = node.ways().KERNEL_ROUTED
      await reached(times)
      return node.ways().KERNEL_ROUTED === routed + times
    })
  }

  /** Of the endpoint of a server. */
  async function health(server: number): Promise<{ inFlight: number; number: number }> {
    const content = await node.node.kernel.outbound.read()
    const [number = 0] =
      [...(content?.endpoints ?? [])].find(([, { port, weight }]) => port === ports[server] && weight > 0) ??
      []
    const value = node.node.withMap('health', (map) => map.lookup(u32(number), HealthLayout.bytes))
    return { number, inFlight: value?.readInt32LE(HealthLayout.fields.in_flight.at) ?? -1 }
  }

  function assertShares(counted: number[], expected: number[]): void {
    const found = chiSquare(counted, expected)
    const limit = chiSquareLimit(expected.filter((share) => share > 0).length - 1)
    assert.ok(found <= limit, `${counted} is not as ${expected}: chi-square ${found.toFixed(1)}`)
  }

  for (const policy of ['two-choices', 'random', 'round-robin', 'least-request'] as const)
    it(`${policy}: shares are as weights, and 0 never wins`, async () => {
      await publish([3, 0, 1, 2], { balance: { policy } })
      await warm()
      const routed = node.ways().KERNEL_ROUTED
      const counted = await reached(DRAWS)
      assert.equal(counted[1], 0)
      assertShares(counted, [3, 0, 1, 2])
      assert.ok(node.ways().KERNEL_ROUTED - routed > 0.99 * DRAWS)
    })

  it('what is under way is counted, and no more when it is over', async () => {
    await publish([1, 1, null, null])
    await warm()
    const waiting = await node.open()
    const { inFlight } = await health(0)
    assert.equal(inFlight, 0)
    waiting.send('GET /a/never HTTP/1.1\r\nHost: front\r\n\r\n')
    const sum = async () => (await health(0)).inFlight + (await health(1)).inFlight
    await node.until(async () => (await sum()) === 1)
    const busy = (await health(0)).inFlight === 1 ? 0 : 1
    const counted = await reached(200)
    assert.ok(
      (counted[busy] as number) < 10,
      `${counted}: the one of two with a request in flight has few more`,
    )
    waiting.command('destroy')
    await node.until(async () => (await sum()) === 0)
  })

  it('latency: a slower endpoint has few requests, and none is left out for good', async () => {
    await publish([1, 1, 1, null], { balance: { policy: 'ewma' } })
    await warm()
    const counted = await reached(300)
    assert.equal(counted[3], 0)
    assert.ok(counted.slice(0, 3).reduce((sum, each) => sum + each) === 300)
  })

  it('maglev by source: one workload, one endpoint, on every connection', async () => {
    await publish([1, 1, 1, 1], { balance: { policy: 'maglev' } })
    await warm()
    const counted = await reached(50)
    const other = await node.open()
    const again = await reached(50, '/a/plain', other)
    assert.deepEqual(counted, again)
    assert.equal(Math.max(...counted), 50)
    const chosen = counted.indexOf(50)
    await publish(
      [1, 1, 1, 1].map((weight, i) => (i === chosen ? 0 : weight)),
      { balance: { policy: 'maglev' } },
    )
    assert.equal((await reached(20))[chosen], 0)
    await publish([1, 1, 1, 1], { balance: { policy: 'maglev' } })
    assert.deepEqual(await reached(50), counted)
  })

  const failing: [string, Spread['ejection'], string][] = [
    ['5xx', { consecutive5xx: 3, baseMs: EJECTED_MS, maxPercent: 50 }, 'sick'],
    ['resets', { consecutiveResets: 3, baseMs: EJECTED_MS, maxPercent: 50 }, 'torn'],
  ]
  for (const [what, ejection, manner] of failing)
    it(`three ${what} in a row eject an endpoint for a while, and then it is back`, async () => {
      await publish([1, 1, null, null], { ...(ejection && { ejection }) })
      await warm()
      const failed = async (target: string) => {
        const one = await node.open()
        await one.get(target)
        one.command('end')
        return / 50[03] /.test(one.text)
      }
      let failures = 0
      await node.until(async () => {
        failures += (await failed(`/a/${manner}-x0`)) ? 1 : 0
        return failures === 3
      })
      const began = Date.now()
      const counted = await reached(100)
      assert.ok(Date.now() - began < EJECTED_MS, 'the machine is too slow to see it')
      assert.deepEqual(counted, [0, 100, 0, 0])
      // Half of them may be ejected at a time: the other one stays, whatever it says.
      for (let i = 0; i < 6; i++) await failed(`/a/${manner}-x1`)
      await node.until(async () => ((await reached(20))[0] as number) > 0)
      assert.ok(Date.now() - began >= EJECTED_MS - 100)
    })

  it('all ejected: 503 at once, on the same connection, until the first is back', async () => {
    const ejection = { consecutive5xx: 1, baseMs: EJECTED_MS, maxPercent: 100 }
    await publish([null, null, 1, null], { ejection })
    await node.until(async () => (await client.get('/a/plain')).includes(' 200 '))
    assert.match(await client.get('/a/sick-x2'), /^HTTP\/1.1 500 /)
    const began = Date.now()
    assert.match(await client.get('/a/plain'), /^HTTP\/1.1 503 /)
    assert.ok(Date.now() - began < 1_000)
    await node.until(async () => (await client.get('/a/plain')).includes(' 200 '))
    assert.ok(Date.now() - began >= EJECTED_MS - 100)
  })

  it('slow start: a new endpoint has little of its share at first', async () => {
    await publish([1, null, null, null], { slowStartMs: SLOW_MS })
    await warm()
    await new Promise((resolve) => setTimeout(resolve, SLOW_MS))
    await publish([1, null, null, 1], { slowStartMs: SLOW_MS })
    const began = Date.now()
    const [, , , young = 0] = await reached(800)
    assert.ok(Date.now() - began < SLOW_MS / 3, 'the machine is too slow to see it')
    // A twentieth at first: a tenth of its turns, and the turns are shared.
    assert.ok(young > 15 && young < 280, `${young} of 800`)
    await new Promise((resolve) => setTimeout(resolve, SLOW_MS))
    assertShares(await reached(400), [1, 0, 0, 1])
  })

  for (const [what, hash, heads] of KEYED)
    it(`maglev by ${what}: a value has its endpoint, the same in kernel and relay`, async () => {
      // Every endpoint has an idle upstream before one of them is the only answer.
      await publish([1, 1, 1, 1])
      await warm()
      await publish([1, 1, 1, 1], { balance: { policy: 'maglev', hash } })
      const slow = await node.open()
      const ask = async (by: Connection, { target, fields }: Head, pad = '') => {
        by.forget()
        by.send(`GET ${target} HTTP/1.1\r\nHost: front\r\n${fields}${pad}\r\n`)
        await by.until(() => responses(by.text) === 1)
        return whoAnswered(by.text)
      }
      const met = new Map<string, number>()
      for (let n = 0; n < 2 * VALUES; n++) {
        const value = `v${n % VALUES}`
        const head = heads[n % heads.length]?.(value) as Head
        const routed = node.ways().KERNEL_ROUTED
        const place = await ask(client, head)
        assert.equal(node.ways().KERNEL_ROUTED, routed + 1)
        assert.equal(await ask(slow, head, `X-Pad: ${'p'.repeat(5_000)}\r\n`), place, JSON.stringify(head))
        assert.equal(met.get(value) ?? place, place, JSON.stringify(head))
        met.set(value, place)
      }
      assert.equal(new Set(met.values()).size, 4)
      // Without one it is whose request it is that decides.
      const without = { target: '/a/plain', fields: 'X-Users: v1\r\nCookie: s=v1; xsid=v2\r\n' }
      const places = [await ask(client, without), await ask(client, without), await ask(slow, without)]
      assert.equal(new Set(places).size, 1)
      slow.command('destroy')
    })

  it('maglev by a cookie that Heddle sets: once, by the relay, and what comes with it stays where it was', async () => {
    const hash = { of: 'cookie', name: 'way', ttlSeconds: 3_600 } as const
    await publish([1, 1, 1, 1])
    await warm()
    await publish([1, 1, 1, 1], { balance: { policy: 'maglev', hash } })
    const met = new Set<number>()
    for (let n = 0; n < VALUES; n++) {
      const slow = node.ways().SLOW_ROUTE
      const first = await client.get('/a/plain')
      assert.equal(node.ways().SLOW_ROUTE, slow + 1)
      const place = whoAnswered(first)
      met.add(place)
      const [, value] =
        /\r\nSet-Cookie: way=([0-9a-f]{16}); Path=\/; Max-Age=3600; HttpOnly\r\n/.exec(first) ?? []
      assert.ok(value, first)
      for (let again = 0; again < 3; again++) {
        client.forget()
        client.send(`GET /a/plain HTTP/1.1\r\nHost: front\r\nCookie: a=b; way=${value}\r\n\r\n`)
        await client.until(() => responses(client.text) === 1)
        assert.equal(whoAnswered(client.text), place)
        assert.ok(!client.text.includes('Set-Cookie'))
      }
    }
    assert.equal(met.size, 4)
  })

  it('endpoints join and leave under load without an error, and their pools go with them', async () => {
    await publish([1, 1, 1, 1])
    const clients = await Promise.all(Array.from({ length: 8 }, () => node.open()))
    let running = true
    let served = 0
    const load = clients.map(async (each) => {
      while (running) {
        const text = await each.get('/a/plain')
        assert.match(text, /^HTTP\/1.1 200 /)
        served++
      }
    })
    for (let round = 0; round < 20; round++) {
      await publish([0, 1, 2, 3].map((i) => ((round + i) % 3 === 0 ? null : 1 + ((round + i) % 2))))
      await new Promise((resolve) => setTimeout(resolve, 150))
    }
    await publish([1, null, 0, null])
    running = false
    await Promise.all(load)
    assert.ok(served > 500, `${served}`)
    const only = (await health(0)).number
    await node.until(async () => {
      await Promise.all(clients.map((each) => each.get('/a/plain')))
      const { endpoints } = await node.node.kernel.outbound.references()
      const others = [...endpoints].filter((number) => number !== only && number > 2)
      return others.length === 0
    })
  })
})
