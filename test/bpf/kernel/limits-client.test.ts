/** Rate limits on the client side of one node: kernel and relay take from the same buckets. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { LimitKey } from '../../../pipelines/policy/limit.ts'
import type { Policy } from '../../../pipelines/policy/model.ts'
import { whyNoKernel } from './kernel-fixture.ts'
import { atOnce, limitedSet } from './limited-policy.ts'
import { responses } from './outbound-connection.ts'
import { OutboundFixture } from './outbound-fixture.ts'

const KEY: LimitKey[] = [{ kind: 'header', name: 'x-tenant' }, { kind: 'identity' }, { kind: 'path' }]

/** Of requests below /a/limited, three at once. */
function limited(): Policy[] {
  const { policies } = limitedSet([{ name: 'some', limit: atOnce(3, KEY), path: '/a/limited' }])
  const requirements = [{ key: 'app', operator: 'In' as const, values: ['caller'] }]
  return policies.map((policy) => ({
    ...policy,
    namespace: 'shop',
    subject: { namespaces: ['shop'], requirements },
  }))
}

const get = (target: string, tenant: string, version = '1.1') =>
  `GET ${target} HTTP/${version}\r\nHost: front\r\nConnection: keep-alive\r\nX-Tenant: ${tenant}\r\n\r\n`

/** All of a 429, whoever writes it. */
const TOLD = new RegExp(
  [
    '^HTTP/1.1 429 Too Many Requests\\r\\nServer: heddle\\r\\nRetry-After: +(\\d+)\\r\\n',
    'RateLimit-Policy: "limit";q=00000001;w=00003600\\r\\nRateLimit: "limit";r=0;t=0000(\\d{4})\\r\\n',
    'Content-Length: 0\\r\\n\\r\\n$',
  ].join(''),
)

describe('rate limits on the client side', { skip: whyNoKernel(), concurrency: false }, () => {
  let node: OutboundFixture
  before(async () => {
    node = await OutboundFixture.create(limited())
  })
  after(() => node.close())

  it('are taken in the kernel, which tells who comes too often; the connection goes on', async () => {
    const client = await node.openWarm()
    const before = node.ways()
    const requests = Array.from({ length: 3 }, () => get('/a/limited', 'one'))
    assert.deepEqual(await client.statuses(requests), [200, 200, 200])
    assert.equal(node.ways().KERNEL_ROUTED - before.KERNEL_ROUTED, 3)
    assert.deepEqual(await client.statuses([get('/a/limited?again', 'one')]), [429])
    assert.equal(node.ways().KERNEL_ANSWERED - before.KERNEL_ANSWERED, 1)
    assert.match(client.text, TOLD)
    assert.deepEqual(await client.statuses([get('/b/plain', 'one'), get('/a/limited', 'other')]), [200, 200])
    assert.equal(node.ways().KERNEL_ROUTED - before.KERNEL_ROUTED, 5)
  })

  it('say the same by the relay, where the kernel has not all of the request', async () => {
    const client = await node.openWarm()
    const requests = Array.from({ length: 3 }, () => get('/a/limited', 'body'))
    assert.deepEqual(await client.statuses(requests), [200, 200, 200])
    const before = node.ways()
    const head = get('/a/limited', 'body').replace('\r\n\r\n', '\r\nContent-Length: 4\r\n\r\n')
    client.forget()
    client.send(head)
    await client.until(() => node.ways().SLOW_REFUSED > before.SLOW_REFUSED)
    client.send('body')
    await client.until(() => responses(client.text) === 1)
    assert.match(client.text, TOLD)
    assert.equal(node.ways().KERNEL_ANSWERED, before.KERNEL_ANSWERED)
    const { requests: ends } = (await node.stats())['outbound'] as { requests: Record<string, number> }
    assert.equal(ends['limited'], 1)
  })

  it('have one bucket, whoever takes from it', async () => {
    const client = await node.openWarm()
    const before = node.ways()
    assert.deepEqual(await client.statuses([get('/a/limited', 'both')]), [200])
    // HTTP/1.0 is the relay's.
    assert.deepEqual(await client.statuses([get('/a/limited', 'both', '1.0')]), [200])
    assert.ok(node.ways().SLOW_VERSION > before.SLOW_VERSION)
    const another = await node.openWarm()
    assert.deepEqual(
      await another.statuses([get('/a/limited', 'both'), get('/a/limited', 'both')]),
      [200, 429],
    )
    assert.deepEqual(await another.statuses([get('/a/limited', 'both', '1.0')]), [429])
  })
})
