/**
 * Affinity through the real kernel: requests with the same value go to the same endpoint, on every connection,
 * in the kernel and in the relay.
 */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { HashOf } from '../../../pipelines/services/model.ts'
import { BalanceFixture, whoAnswered } from './balance-fixture.ts'
import { whyNoKernel } from './kernel-fixture.ts'
import { type Connection, responses } from './outbound-connection.ts'

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

/** Requests that the relay served, for whatever reason: who asks soon again may be on the relay's connection still. */
const byRelay = (ways: Record<string, number>): number =>
  Object.entries(ways).reduce((sum, [why, count]) => (why.startsWith('SLOW_') ? sum + count : sum), 0)

describe('affinity', { skip: whyNoKernel(), concurrency: false }, () => {
  let bed: BalanceFixture
  before(async () => {
    bed = await BalanceFixture.create()
  })
  after(() => bed?.close())

  it('maglev by source: one workload, one endpoint, on every connection', async () => {
    await bed.publish([1, 1, 1, 1], { balance: { policy: 'maglev' } })
    await bed.warm()
    const counted = await bed.reached(50)
    const other = await bed.node.open()
    const again = await bed.reached(50, '/a/plain', other)
    assert.deepEqual(counted, again)
    assert.equal(Math.max(...counted), 50)
    const chosen = counted.indexOf(50)
    await bed.publish(
      [1, 1, 1, 1].map((weight, i) => (i === chosen ? 0 : weight)),
      { balance: { policy: 'maglev' } },
    )
    assert.equal((await bed.reached(20))[chosen], 0)
    await bed.publish([1, 1, 1, 1], { balance: { policy: 'maglev' } })
    assert.deepEqual(await bed.reached(50), counted)
  })

  for (const [what, hash, heads] of KEYED)
    it(`maglev by ${what}: a value has its endpoint, the same in kernel and relay`, async () => {
      // Every endpoint has an idle upstream before one of them is the only answer.
      await bed.publish([1, 1, 1, 1])
      await bed.warm()
      await bed.publish([1, 1, 1, 1], { balance: { policy: 'maglev', hash } })
      const slow = await bed.node.open()
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
        const routed = bed.node.ways().KERNEL_ROUTED
        const place = await ask(bed.client, head)
        assert.equal(bed.node.ways().KERNEL_ROUTED, routed + 1)
        assert.equal(await ask(slow, head, `X-Pad: ${'p'.repeat(5_000)}\r\n`), place, JSON.stringify(head))
        assert.equal(met.get(value) ?? place, place, JSON.stringify(head))
        met.set(value, place)
      }
      assert.equal(new Set(met.values()).size, 4)
      // Without one it is whose request it is that decides.
      const without = { target: '/a/plain', fields: 'X-Users: v1\r\nCookie: s=v1; xsid=v2\r\n' }
      const places = [
        await ask(bed.client, without),
        await ask(bed.client, without),
        await ask(slow, without),
      ]
      assert.equal(new Set(places).size, 1)
      slow.command('destroy')
    })

  it('maglev by a cookie that Heddle sets: once, by the relay, and what comes with it stays where it was', async () => {
    const hash = { of: 'cookie', name: 'way', ttlSeconds: 3_600 } as const
    await bed.publish([1, 1, 1, 1])
    await bed.warm()
    await bed.publish([1, 1, 1, 1], { balance: { policy: 'maglev', hash } })
    const met = new Set<number>()
    for (let n = 0; n < VALUES; n++) {
      const slow = byRelay(bed.node.ways())
      const first = await bed.client.get('/a/plain')
      assert.equal(byRelay(bed.node.ways()), slow + 1)
      const place = whoAnswered(first)
      met.add(place)
      const [, value] =
        /\r\nSet-Cookie: way=([0-9a-f]{16}); Path=\/; Max-Age=3600; HttpOnly\r\n/.exec(first) ?? []
      assert.ok(value, first)
      for (let again = 0; again < 3; again++) {
        bed.client.forget()
        bed.client.send(`GET /a/plain HTTP/1.1\r\nHost: front\r\nCookie: a=b; way=${value}\r\n\r\n`)
        await bed.client.until(() => responses(bed.client.text) === 1)
        assert.equal(whoAnswered(bed.client.text), place)
        assert.ok(!bed.client.text.includes('Set-Cookie'))
      }
    }
    assert.equal(met.size, 4)
  })
})
