/** Audit rules in the kernel: what they match is counted by what became of it, and nothing else happens to it. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { after, before, describe, it, type TestContext } from 'node:test'
import { u64 } from '../../../agent/adapters/libbpf.ts'
import { possibleCpus } from '../../../agent/adapters/possible-cpus.ts'
import { AuditedLayout, Limit, ShadowLimit } from '../../../bpf/abi/heddle.gen.ts'
import { dispatcherElf } from './artifacts.ts'
import { type Audits, auditedSet, idOf, samplesOf, seenBy } from './audited-policy.ts'
import { KernelFixture, type RecordingServer, whyNoKernel } from './kernel-fixture.ts'
import { connected, enforce, enforced } from './one-rule.ts'
import { allowing, asked, get, ShadowFixture } from './shadow-fixture.ts'

/** At once, and how often each of them begins anew. */
const CONNECTIONS = 24
const TURNS = 20

async function audited(t: TestContext, audits: Audits) {
  const { fixture } = await enforced(t, auditedSet(audits))
  return { fixture, server: await fixture.recordingServer() }
}

type Row = {
  what: string
  audits: Audits
  /** Each on a connection of its own: what is sent, and the statuses that come. */
  sent: [text: string[], statuses: number[]][]
  seen: Record<string, number[]>
}

const ROWS: Row[] = [
  {
    what: 'allowed and denied requests, told apart; another path is not its',
    audits: { allow: ['/a'], deny: ['/a/no'], audit: { some: '/a', none: '/c' } },
    sent: [
      [
        [get('/a'), get('/a/yes?q')],
        [200, 200],
      ],
      [
        [get('/a'), get('/a/no')],
        [200, 403],
      ],
      [[get('/b')], [403]],
    ],
    seen: { some: [3, 1, 0] },
  },
  {
    what: 'what no rule allows',
    audits: { allow: ['/a'], audit: { all: '' } },
    sent: [
      [[get('/b')], [403]],
      [[get('/a')], [200]],
    ],
    seen: { all: [1, 1, 0] },
  },
  {
    what: 'what a limit refuses',
    audits: { allow: [''], limit: ['/a'], audit: { some: '/a' } },
    sent: [
      [[get('/a')], [200]],
      [[get('/a')], [429]],
      [[get('/b')], [200]],
    ],
    seen: { some: [1, 1, 0] },
  },
  {
    what: 'requests of a port where nobody is judged',
    audits: { audit: { some: '/a', other: '/b' } },
    sent: [
      [
        [get('/a'), get('/b'), get('/a/b')],
        [200, 200, 200],
      ],
    ],
    seen: { some: [2, 0, 0], other: [1, 0, 0] },
  },
  {
    what: 'those of a port where rules only deny',
    audits: { deny: ['/no'], audit: { all: '' } },
    sent: [
      [
        [get('/a'), get('/no')],
        [200, 403],
      ],
    ],
    seen: { all: [1, 1, 0] },
  },
  {
    what: 'heads in single bytes',
    audits: { allow: ['/a'], audit: { some: '/a' } },
    sent: [[[...get('/a/bytes')], [200]]],
    seen: { some: [1, 0, 0] },
  },
  {
    what: 'what can not be read and is refused, once a connection',
    audits: { allow: ['/a'], audit: { some: '/a' } },
    sent: [[['G@T / HTTP/1.1\r\n\r\n'], [400]]],
    seen: { some: [0, 0, 1] },
  },
  {
    what: 'a request once, whatever becomes of its body',
    audits: { allow: ['/a'], audit: { some: '/a' } },
    sent: [
      [
        ['POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n', '0\r\n\r\n'],
        [200],
      ],
    ],
    seen: { some: [1, 0, 0] },
  },
]

describe('audit rules in the kernel count', { skip: whyNoKernel() ?? false }, () => {
  let fixture: KernelFixture
  let server: RecordingServer
  before(async () => {
    fixture = await KernelFixture.create(await dispatcherElf())
    server = await fixture.recordingServer()
  })
  after(() => fixture.close())

  for (const [index, { what, audits, sent, seen }] of ROWS.entries()) {
    it(what, async () => {
      const rules = Object.keys(audits.audit)
      const before = await seenBy(fixture, rules)
      await enforce(fixture, auditedSet(audits), index + 1)
      for (const [parts, statuses] of sent)
        assert.deepEqual(await asked(server, parts, statuses.length), statuses)
      const counted = Object.entries(await seenBy(fixture, rules)).map(([rule, counts]) => [
        rule,
        counts.map((count, at) => count - (before[rule]?.[at] ?? 0)),
      ])
      const any = ([, counts]: (string | number[])[]) => (counts as number[]).some((count) => count > 0)
      assert.deepEqual(Object.fromEntries(counted.filter(any)), seen)
    })
  }
})

describe('audit rules in the kernel', { skip: whyNoKernel() ?? false }, () => {
  it('let bytes that are no HTTP pass where nobody is judged, and count them as unread', async (t) => {
    const { fixture, server } = await audited(t, { audit: { all: '' } })
    const before = fixture.counters()
    const client = await connected(server.port)
    const hello = Buffer.from([0x16, 3, 1, 0, 4, 0xff, 0xfe, 0, 1])
    client.write(hello)
    const opened = server.recorded(client.localPort ?? 0)
    client.end()
    await once(client, 'close')
    assert.deepEqual((await opened).bytes, hello)
    assert.deepEqual(await seenBy(fixture, ['all']), { all: [0, 0, 1] })
    assert.equal(fixture.counters()['TLS'], before['TLS'])
  })

  it('say by samples who asked for what, where, and what came of it; no query and no field', async (t) => {
    const { fixture, server } = await audited(t, { allow: ['/a'], audit: { all: '' } })
    await asked(server, [get('/a/x?token=secret', 'Cookie: secret\r\n')], 1)
    await asked(server, [get('/b?secret', 'Authorization: secret\r\n')], 1)
    await asked(server, [...get('/a/pieces?secret')], 1)
    const samples = await samplesOf(fixture, 'all')
    assert.deepEqual(
      samples.map(({ request, verdict }) => [request, verdict.reason, verdict.status]),
      [
        [null, 'ALLOWED', 0],
        [{ method: 'GET', path: '/b' }, 'DENIED', 403],
        [{ method: 'GET', path: '/a/x' }, 'ALLOWED', 0],
      ],
    )
    assert.equal(JSON.stringify(samples).includes('secret'), false)
    assert.deepEqual(samples[1]?.destination, { address: '127.0.0.1', port: server.port })
    assert.equal(samples[1]?.source.address, '127.0.0.1')
  })

  it('keep no more samples than there are places, one in a while', async (t) => {
    const { fixture, server } = await audited(t, { allow: [''], audit: { all: '' } })
    const many = Array.from({ length: 300 }, (_, index) => get(`/${index}`))
    const began = performance.now()
    assert.equal((await asked(server, many, 300)).length, 300)
    const pauses = ((performance.now() - began) * 1e6) / ShadowLimit.SHADOW_PAUSE_NS
    assert.deepEqual(await seenBy(fixture, ['all']), { all: [300, 0, 0] })
    assert.equal((await samplesOf(fixture, 'all')).length, ShadowLimit.SHADOW_SAMPLES)
    const taken = fixture.withMap('audit_paces', (map) =>
      [...map.keys(4, Limit.SLOTS * Limit.MAX_OBSERVERS)].reduce(
        (sum, key) => sum + Number(map.lookup(key, 8)?.readBigUInt64LE() ?? 0n),
        0,
      ),
    )
    assert.ok(taken <= ShadowLimit.SHADOW_SAMPLES + Math.ceil(pauses), `${taken} in ${pauses} pauses`)
  })

  it('miss none of many connections at once, nor over the swaps beneath them', async (t) => {
    const policy = auditedSet({ allow: ['/a'], audit: { all: '', some: '/a' } })
    const { fixture } = await enforced(t, policy)
    const server = await fixture.recordingServer()
    let asking = CONNECTIONS
    const all = Array.from({ length: CONNECTIONS }, async () => {
      for (let turn = 0; turn < TURNS; turn++) await asked(server, [get('/a').repeat(4), get('/b')], 5)
      asking--
    })
    for (let generation = 2; asking > 0; generation++) await enforce(fixture, policy, generation)
    await Promise.all(all)
    const connections = CONNECTIONS * TURNS
    assert.deepEqual(await seenBy(fixture, ['all', 'some']), {
      all: [4 * connections, connections, 0],
      some: [4 * connections, 0, 0],
    })
  })

  it('go on counting over a swap, also where their match is another; under another name they begin anew', async (t) => {
    const { fixture, server } = await audited(t, { allow: [''], audit: { some: '/a' } })
    await asked(server, [get('/a')], 1)
    await enforce(fixture, auditedSet({ allow: ['/a'], audit: { other: '/x', some: '/' } }), 2)
    await asked(server, [get('/a')], 1)
    await asked(server, [get('/b')], 1)
    assert.deepEqual(await seenBy(fixture, ['some', 'other']), { some: [2, 1, 0] })
    await enforce(fixture, auditedSet({ allow: ['/a'], audit: { other: '' } }), 3)
    await asked(server, [get('/a')], 1)
    assert.deepEqual(await seenBy(fixture, ['some', 'other']), { some: [2, 1, 0], other: [1, 0, 0] })
    assert.deepEqual(
      (await samplesOf(fixture, 'some')).map(({ request }) => request?.path),
      ['/b', '/a', '/a'],
    )
  })

  it('count nothing where there is no room for one more rule, say so, and change nothing', async (t) => {
    const { fixture, server } = await audited(t, { allow: ['/a'], audit: { all: '' } })
    const none = Buffer.alloc(AuditedLayout.bytes * possibleCpus())
    fixture.withMap('audits', (map) => {
      for (let id = 1; id <= Limit.MAX_AUDITED; id++) map.update(u64(id), none)
    })
    assert.deepEqual(await asked(server, [get('/a'), get('/b')], 2), [200, 403])
    assert.deepEqual(await seenBy(fixture, ['all']), {})
    assert.equal(fixture.counters()['AUDIT_UNCOUNTED'], 2)
    await fixture.kernel.audits.keep(new Set([idOf('all')]))
    assert.deepEqual(await asked(server, [get('/a')], 1), [200])
    assert.deepEqual(await seenBy(fixture, ['all']), { all: [1, 0, 0] })
  })

  it('of a candidate in shadow count nothing, and what they see is no difference', async (t) => {
    const shadow = await ShadowFixture.create(t)
    const policy = auditedSet({ allow: ['/a'], deny: ['/a/no'], audit: { all: '' } })
    await shadow.pair(allowing('/a.*'), policy)
    const server = await shadow.node.recordingServer()
    assert.deepEqual(await asked(server, [get('/a'), get('/a/no')], 2), [200, 200])
    assert.deepEqual(await shadow.counts(), { agree: 1, newDenies: 1 })
    assert.deepEqual(await seenBy(shadow.node, ['all']), {})
  })

  it('are 32 in one artifact, limits among them', async (t) => {
    const audit = Object.fromEntries(Array.from({ length: 31 }, (_, index) => [`r${index}`, `/${index}/`]))
    const { fixture, server } = await audited(t, { allow: [''], limit: ['/limited'], audit })
    const paths = [...Array.from({ length: 31 }, (_, index) => get(`/${index}/`)), get('/30/')]
    assert.equal((await asked(server, paths, paths.length)).length, paths.length)
    const expected = Object.fromEntries(Object.keys(audit).map((name) => [name, [1, 0, 0]]))
    assert.deepEqual(await seenBy(fixture, Object.keys(audit)), { ...expected, r30: [2, 0, 0] })
  })
})
