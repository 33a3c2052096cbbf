/**
 * A flip under load: 64 connections with bodies and pipelining, a log of
 * (connection, request, generation, verdict) for every request, and the proof
 * that none was lost, doubled, misjudged or judged by two generations.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { assign, rowsFor } from '../../../agent/identities.ts'
import { EventRing } from '../../../agent/relay/ring.ts'
import { EventKind, EventLayout, NodeLayout, Reason } from '../../../bpf/abi/heddle.gen.ts'
import { u32 } from '../../../agent/adapters/libbpf.ts'
import type { PolicySet } from '../../../pipelines/policy/model.ts'
import { compileSet, dispatcherElf } from './artifacts.ts'
import { FlipClient } from './flip-client.ts'
import { SUBJECT } from './generated-policies.ts'
import { random } from '../../fakes/random.ts'
import { KernelFixture, whyNoKernel } from './kernel-fixture.ts'

const FLIPS = process.env.HEDDLE_DEEP === '1' ? 1000 : 200
const CONNECTIONS = 64
/** Answers between two flips: every flip meets live traffic. */
const ANSWERS_A_FLIP = 16

const SOURCE = { file: 'flip.yaml', line: 1, column: 1 }

/** Allows /both/ and one more path. */
function allowing(name: string): PolicySet {
  const http = ['both', name].map((word) => ({ source: SOURCE, path: `/${word}/.*`, headers: [] }))
  const subject = {
    namespaces: ['default'],
    requirements: [{ key: 'app', operator: 'In' as const, values: ['api'] }],
  }
  const allow = [
    { source: SOURCE, peers: null, ports: [{ protocol: 'TCP' as const, first: 1, last: 65535 }], http },
  ]
  const policy = {
    name,
    namespace: 'default',
    source: SOURCE,
    subject,
    unparsed: 'refuse' as const,
    selects: true,
    allow,
    deny: [],
  }
  return { policies: [policy], routes: [] }
}

type Judged = { port: number; number: number; generation: number; allowed: boolean }

function decode(record: Buffer): Judged | undefined {
  const { kind, generation, remote_port, request, reason } = EventLayout.fields
  if (record.readUInt8(kind.at) !== EventKind.EVENT_VERDICT) return undefined
  return {
    port: record.readUInt16LE(remote_port.at),
    number: record.readUInt32LE(request.at),
    generation: Number(record.readBigUInt64LE(generation.at)),
    allowed: record.readUInt8(reason.at) === Reason.ALLOWED,
  }
}

async function stageBoth(fixture: KernelFixture): Promise<void> {
  const { identities, addresses } = assign({ identities: [], published: [] }, [SUBJECT])
  for (const [slot, name] of ['even', 'odd'].entries()) {
    const { elf, blocks } = await compileSet(allowing(name))
    await fixture.stage(slot, elf, rowsFor(blocks, identities))
  }
  await fixture.kernel.setAddresses(addresses)
  await fixture.kernel.flip(1, 1)
}

function trace(fixture: KernelFixture): void {
  fixture.withMap('node', (map) => {
    const value = map.lookup(u32(0), NodeLayout.bytes) ?? Buffer.alloc(NodeLayout.bytes)
    value.writeUInt32LE(1, NodeLayout.fields.trace.at)
    map.update(u32(0), value)
  })
}

test(`${FLIPS} flips under ${CONNECTIONS} connections lose, double and misjudge nothing`, {
  skip: whyNoKernel() ?? false,
}, async (t) => {
  const fixture = await KernelFixture.create(await dispatcherElf())
  t.after(() => fixture.close())
  await stageBoth(fixture)
  trace(fixture)
  const judged: Judged[] = []
  const ring = new EventRing(
    fixture.pins.map('events'),
    (record) => {
      const one = decode(record)
      if (one) judged.push(one)
    },
    () => {},
  )
  t.after(() => ring.close())
  const server = await fixture.recordingServer()

  let generation = 1
  let answers = 0
  const clients: FlipClient[] = []
  const answered = () => {
    if (++answers % ANSWERS_A_FLIP !== 0 || generation > FLIPS) return
    generation++
    void fixture.kernel.flip(generation % 2, generation)
    ring.consume()
    if (generation > FLIPS) for (const client of clients) client.stop()
  }
  for (let i = 0; i < CONNECTIONS; i++)
    clients.push(new FlipClient({ port: server.port, from: '127.0.0.1' }, random(7000 + i), answered))
  await Promise.all(clients.map((client) => client.run()))
  ring.consume()

  const sent = clients.flatMap((client) => client.log)
  assert.equal(
    clients.reduce((sum, client) => sum + client.lost, 0),
    0,
    'a connection ended without a refusal',
  )
  checkLog(sent, judged)
  t.diagnostic(
    `requests ${sent.length}, judged ${judged.length}, refused ${sent.filter((s) => s.status === 403).length}, generations ${generation}`,
  )
})

type Sents = FlipClient['log']

function checkLog(sent: Sents, judged: Judged[]): void {
  // A port may serve twice: the log of a connection begins anew at request 1.
  const connections = new Map<number, Judged[][]>()
  for (const one of judged) {
    const lives = connections.get(one.port) ?? []
    if (one.number === 1) lives.push([])
    lives.at(-1)?.push(one)
    connections.set(one.port, lives)
  }
  const lives = new Map<number, number>()
  let life: Judged[] = []
  for (const request of sent) {
    if (request.number === 1) {
      const index = lives.get(request.port) ?? 0
      lives.set(request.port, index + 1)
      life = connections.get(request.port)?.[index] ?? []
      for (const [i, one] of life.entries()) {
        assert.equal(one.number, i + 1, `port ${one.port}: request ${i + 1} judged as ${one.number}`)
        assert.ok(one.generation >= (life[i - 1]?.generation ?? 0), `port ${one.port}: generations went back`)
      }
    }
    checkRequest(request, life[request.number - 1], life)
  }
}

function checkRequest(request: Sents[number], verdict: Judged | undefined, life: Judged[]): void {
  const where = `port ${request.port} request ${request.number} ${request.target}`
  if (verdict === undefined) {
    assert.equal(request.status, 0, `${where}: answered but never judged`)
    assert.equal(life.at(-1)?.allowed, false, `${where}: lost without a refusal before it`)
    return
  }
  const word = request.target.split('/')[1]
  const allowed = word === 'both' || word === (verdict.generation % 2 === 0 ? 'even' : 'odd')
  assert.equal(verdict.allowed, allowed, `${where}: misjudged under generation ${verdict.generation}`)
  assert.equal(request.status, allowed ? 200 : 403, `${where}: another answer than the verdict`)
  if (allowed)
    assert.match(request.body, new RegExp(`^${request.number} ${request.target} `), `${where}: out of order`)
}
