/** Audit rules on the client side of one node: kernel and relay count among the same, each request once. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { Policy } from '../../../pipelines/policy/model.ts'
import { type Audits, auditedPolicy, samplesOf, seenBy } from './audited-policy.ts'
import { whyNoKernel } from './kernel-fixture.ts'
import { responses } from './outbound-connection.ts'
import { OutboundFixture } from './outbound-fixture.ts'

function policies(audits: Audits): Policy[] {
  const requirements = [{ key: 'app', operator: 'In' as const, values: ['caller'] }]
  const subject = { namespaces: ['shop'], requirements }
  return [{ ...auditedPolicy(audits), namespace: 'shop', subject }]
}

const get = (target: string, version = '1.1', fields = '') =>
  `GET ${target} HTTP/${version}\r\nHost: front\r\nConnection: keep-alive\r\n${fields}\r\n`

describe('audit rules on the client side', { skip: whyNoKernel(), concurrency: false }, () => {
  let node: OutboundFixture
  let generation = 1
  const judging: Audits = {
    allow: [''],
    deny: ['/a/no'],
    limit: ['/a/limited'],
    audit: { no: '/a/no', limited: '/a/limited', plain: '/b/seen' },
  }
  before(async () => {
    node = await OutboundFixture.create(policies(judging))
  })
  after(() => node.close())

  const seen = (...rules: string[]) => seenBy(node.node, rules, 'shop')

  it('count what the kernel carries and what it answers with 403', async () => {
    const client = await node.openWarm()
    const before = node.ways()
    assert.deepEqual(await client.statuses([get('/b/seen?token=secret'), get('/b/seen')]), [200, 200])
    assert.equal(node.ways().KERNEL_ROUTED - before.KERNEL_ROUTED, 2)
    assert.deepEqual(await client.statuses([get('/a/no?secret')]), [403])
    assert.equal(node.ways().KERNEL_ANSWERED - before.KERNEL_ANSWERED, 1)
    assert.deepEqual(await seen('plain', 'no'), { plain: [2, 0, 0], no: [0, 1, 0] })
    const samples = [
      ...(await samplesOf(node.node, 'plain', 'shop')),
      ...(await samplesOf(node.node, 'no', 'shop')),
    ]
    assert.deepEqual(
      samples.map(({ request, verdict }) => [request?.path, verdict.reason]),
      [
        ['/b/seen', 'ALLOWED'],
        ['/b/seen', 'ALLOWED'],
        ['/a/no', 'DENIED'],
      ],
    )
    assert.ok(samples.every(({ source }) => source.identity !== null))
    assert.equal(JSON.stringify(samples).includes('secret'), false)
  })

  it('count once what the kernel hands to the relay', async () => {
    const client = await node.openWarm()
    const before = node.ways()
    // HTTP/1.0 is the relay's.
    assert.deepEqual(await client.statuses([get('/b/seen?secret', '1.0', 'Cookie: secret\r\n')]), [200])
    assert.ok(node.ways().SLOW_VERSION > before.SLOW_VERSION)
    assert.deepEqual(await seen('plain'), { plain: [3, 0, 0] })
    const [sample] = await samplesOf(node.node, 'plain', 'shop')
    assert.deepEqual(
      [sample?.request, sample?.verdict.reason],
      [{ method: 'GET', path: '/b/seen' }, 'ALLOWED'],
    )
    const other = await node.openWarm()
    assert.deepEqual(await other.statuses([get('/a/no', '1.0')]), [403])
    assert.deepEqual(await seen('no'), { no: [0, 2, 0] })
  })

  it('count once what comes too often', async () => {
    const client = await node.openWarm()
    assert.deepEqual(await client.statuses([get('/a/limited'), get('/a/limited')]), [200, 429])
    assert.deepEqual(await seen('limited'), { limited: [1, 1, 0] })
    assert.equal((await samplesOf(node.node, 'limited', 'shop'))[0]?.verdict.reason, 'LIMITED')
  })

  it('count bodies and pipelines request by request', async () => {
    const client = await node.openWarm()
    const before = (await seen('plain'))['plain']?.[0] ?? 0
    client.forget()
    client.send(get('/b/seen/1') + get('/b/seen/2') + get('/b/seen/3'))
    await client.until(() => responses(client.text) === 3)
    const another = await node.openWarm()
    const chunked = 'POST /b/seen HTTP/1.1\r\nHost: front\r\nTransfer-Encoding: chunked\r\n\r\n'
    assert.deepEqual(await another.statuses([`${chunked}3\r\nabc\r\n0\r\n\r\n`]), [200])
    assert.deepEqual(await seen('plain'), { plain: [before + 4, 0, 0] })
  })

  it('count where nobody is judged, by the kernel and by the relay', async () => {
    await node.enforce(++generation, policies({ audit: { free: '/b/free' } }))
    const client = await node.openWarm()
    const before = node.ways()
    assert.deepEqual(await client.statuses([get('/b/free'), get('/b/other')]), [200, 200])
    assert.equal(node.ways().KERNEL_ROUTED - before.KERNEL_ROUTED, 2)
    assert.deepEqual(await seen('free'), { free: [1, 0, 0] })
    assert.deepEqual(await client.statuses([get('/b/free', '1.0')]), [200])
    assert.deepEqual(await seen('free'), { free: [2, 0, 0] })
  })
})
