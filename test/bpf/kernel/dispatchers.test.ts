/**
 * A dispatcher beside the one before it, on the real kernel: who was born under the old one stays there until
 * it ends, who is born later meets the new one, and at no moment is anybody judged by none.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import { CGROUP_HOOKS, SOCKET_HOOKS, withCgroup } from '../../../agent/adapters/attach.ts'
import { attachedTo, pinnedProgram } from '../../../agent/adapters/bpf-info.ts'
import { bpftool } from '../../../agent/adapters/bpftool.ts'
import { sha256 } from '../../../agent/cache.ts'
import { u32 } from '../../../agent/adapters/libbpf.ts'
import { EventRing } from '../../../agent/relay/ring.ts'
import { EventKind, EventLayout, NodeLayout } from '../../../bpf/abi/heddle.gen.ts'
import type { PolicySet } from '../../../pipelines/policy/model.ts'
import { dispatcherElf } from './artifacts.ts'
import { FlipClient } from './flip-client.ts'
import { random } from '../../fakes/random.ts'
import { KernelFixture, whyNoKernel } from './kernel-fixture.ts'
import { enforce, oneRule } from './one-rule.ts'
import { MARK, nextDispatcher } from './other-sources.ts'
import { type RelayArtifact, relayArtifact } from './relay-artifact.ts'
import { RelayFixture } from './relay-fixture.ts'
import { SERVERS, type ServerKind } from './relay-servers.ts'

const ONE_EACH = CGROUP_HOOKS.map(() => 1)

const NODE = SERVERS[0] as ServerKind
/** Milliseconds, for a deadline that is awaited here. */
const SHORT = 300
/** Milliseconds; a machine under load is slow, a hang is for ever. */
const PATIENCE = 10_000
const CONNECTIONS = 32
const CHANGES = process.env['HEDDLE_DEEP'] === '1' ? 40 : 8
/** Answers between two changes: each meets live traffic. */
const ANSWERS_A_CHANGE = 400

let artifact: RelayArtifact
let elves: Record<'old' | 'next', Uint8Array>

async function withFixture(options: Record<string, unknown>, use: (fixture: RelayFixture) => Promise<void>) {
  const fixture = await RelayFixture.create({ ...artifact, dispatcher: Buffer.from(elves.old) }, options)
  try {
    for (const [name, elf] of Object.entries(elves)) writeFileSync(file(fixture.node, name), elf)
    await use(fixture)
  } finally {
    await fixture.close()
  }
}

const file = (node: KernelFixture, name: string) => join(node.directory, `${name}.elf`)
const install = (node: KernelFixture, name: keyof typeof elves) => node.kernel.install(file(node, name))
const marks = (node: KernelFixture) => node.counters()[MARK] ?? 0

/** Programs of ours on each hook of the cgroup. */
function attached(node: KernelFixture): number[] {
  const ids = node.pins
    .dispatchers()
    .flatMap((each) => CGROUP_HOOKS.map(({ program }) => pinnedProgram(each.program(program)).id))
  const counts = withCgroup(node.cgroup, (fd) =>
    CGROUP_HOOKS.map(({ type }) => attachedTo(fd, type).filter((id) => ids.includes(id)).length),
  )
  return counts ?? []
}

/** 200 where it is allowed, 403 where it is not, on a connection of its own. */
async function checkJudged(fixture: RelayFixture, port: number, when: string): Promise<void> {
  const client = await fixture.client(port)
  client.get('/public')
  await client.until(() => / 200 /.test(client.text))
  client.get('/secret')
  await client.until(() => / 403 /.test(client.text))
  assert.doesNotMatch(client.text.replace(/ 200 /, ''), / 200 /, when)
  client.socket.destroy()
}

/** What the clients of a flip ask for is allowed, but for /odd/. */
function rulesUnderLoad(): PolicySet {
  const { policies } = oneRule()
  const path = '/(both|even)/.*'
  const allow = policies[0]?.allow.map((rule) => ({
    ...rule,
    http: rule.http?.map((h) => ({ ...h, path })) ?? null,
  }))
  return { policies: policies.map((policy) => ({ ...policy, allow: allow ?? [] })), routes: [] }
}

/** An event for every verdict. */
function trace(node: KernelFixture): void {
  node.withMap('node', (map) => {
    const value = map.lookup(u32(0), NodeLayout.bytes) ?? Buffer.alloc(NodeLayout.bytes)
    value.writeUInt32LE(1, NodeLayout.fields.trace.at)
    map.update(u32(0), value)
  })
}

/** Clients that never rest, and a change of dispatchers every so many answers. */
class Load {
  private readonly node: KernelFixture
  private readonly tick: () => void
  private answers = 0
  private changes = 0
  private changing = false
  private clients: FlipClient[] = []

  constructor(node: KernelFixture, tick: () => void) {
    this.node = node
    this.tick = tick
  }

  async run(port: number): Promise<FlipClient[]> {
    let failed: unknown
    const answered = () => {
      if (++this.answers % 16 === 0) this.tick()
      if (this.changing || this.answers < ANSWERS_A_CHANGE * (this.changes + 1)) return
      if (this.changes === CHANGES || failed !== undefined) {
        for (const client of this.clients) client.stop()
        return
      }
      this.changing = true
      install(this.node, this.changes++ % 2 === 0 ? 'next' : 'old')
        .catch((error: unknown) => {
          failed = error
        })
        .finally(() => {
          this.changing = false
        })
    }
    for (let i = 0; i < CONNECTIONS; i++)
      this.clients.push(new FlipClient({ port, from: '127.0.0.1' }, random(9000 + i), answered))
    await Promise.all(this.clients.map((client) => client.run()))
    assert.equal(failed, undefined)
    return this.clients
  }
}

describe('dispatchers', { skip: whyNoKernel() }, () => {
  before(async () => {
    artifact = relayArtifact()
    elves = { old: await dispatcherElf(), next: await nextDispatcher() }
  })

  test('a connection keeps the dispatcher that it was born under; a rollback is the same step', () =>
    withFixture({}, async (fixture) => {
      const { node } = fixture
      const server = await NODE.start(node)
      const old = await fixture.client(server.port)
      old.get('/public')
      await old.until(() => / 200 /.test(old.text))
      await install(node, 'next')
      const facts = await node.kernel.inspect()
      assert.equal(facts?.dispatcher, sha256(elves.next))
      assert.deepEqual(
        facts?.draining.map(({ digest, sockets }) => ({ digest, sockets })),
        [{ digest: sha256(elves.old), sockets: 1 }],
      )
      old.get('/public')
      await old.until(() => old.text.match(/ 200 /g)?.length === 2)
      assert.equal(marks(node), 0)
      const young = await fixture.client(server.port)
      young.get('/public')
      await young.until(() => / 200 /.test(young.text))
      const seen = marks(node)
      assert.ok(seen > 0, 'the new dispatcher has not seen the new connection')
      // One flip reaches both.
      await fixture.enforce(1, 2)
      for (const client of [old, young]) {
        client.get('/secret')
        await client.until(() => / 403 /.test(client.text))
      }
      await install(node, 'old')
      assert.equal((await node.kernel.inspect())?.dispatcher, sha256(elves.old))
      await checkJudged(fixture, server.port, 'after the rollback')
      await assert.rejects(node.kernel.retire(sha256(elves.old)), { code: 'kernel-refused' })
      await node.kernel.retire(sha256(elves.next))
      assert.deepEqual((await node.kernel.inspect())?.draining, [])
    }))

  test(`${CHANGES} changes under ${CONNECTIONS} connections lose nothing and leave nothing unjudged`, async (t) => {
    const node = await KernelFixture.create(elves.old)
    t.after(() => node.close())
    for (const [name, elf] of Object.entries(elves)) writeFileSync(file(node, name), elf)
    await enforce(node, rulesUnderLoad(), 1)
    trace(node)
    let judged = 0
    const ring = new EventRing(
      node.pins.map('events'),
      (record) => {
        if (record.readUInt8(EventLayout.fields.kind.at) === EventKind.EVENT_VERDICT) judged++
      },
      () => {},
    )
    t.after(() => ring.close())
    const { port } = await node.recordingServer()
    const load = new Load(node, () => ring.consume())
    const clients = await load.run(port)
    ring.consume()
    const sent = clients.flatMap(({ log }) => log)
    const answered = sent.filter(({ status }) => status !== 0)
    assert.equal(
      clients.reduce((sum, { lost }) => sum + lost, 0),
      0,
      'a connection was cut off',
    )
    for (const { target, status } of answered)
      assert.equal(status, target.startsWith('/odd/') ? 403 : 200, `${target} was misjudged`)
    assert.equal(judged, answered.length, 'a request was answered and not judged')
    assert.ok(marks(node) > 0, 'the next dispatcher had nothing to do')
    assert.deepEqual(attached(node), ONE_EACH)
    t.diagnostic(`requests ${sent.length}, refused ${sent.filter(({ status }) => status === 403).length}`)
  })

  test('at the deadline the relay ends what is left under the old one, and nothing else', () =>
    withFixture({ dispatcherDrainMs: SHORT }, async (fixture) => {
      const { node } = fixture
      const server = await NODE.start(node)
      await fixture.startRelay()
      const old = await fixture.client(server.port)
      old.get('/public')
      await old.until(() => / 200 /.test(old.text))
      await install(node, 'next')
      const young = await fixture.client(server.port)
      await fixture.until(({ dispatchers: { draining } }) => draining[0]?.connections === 1)
      await old.until(() => old.end !== undefined)
      await fixture.until(
        ({ dispatchers: { draining, destroyed } }) => draining.length === 0 && destroyed === 1,
      )
      young.get('/public')
      await young.until(() => / 200 /.test(young.text))
      assert.equal(young.end, undefined)
      assert.deepEqual(
        fixture.journal().map(({ event, dispatcher }) => [event, dispatcher]),
        [['dispatcher-drained', sha256(elves.old)]],
      )
      await node.kernel.retire(sha256(elves.old))
      await checkJudged(fixture, server.port, 'after the old one is gone')
    }))

  test('kill -9 between any two acts of a change: each hook has one program, and everybody is judged', () =>
    withFixture({}, async (fixture) => {
      const { node } = fixture
      const server = await NODE.start(node)
      const child = new URL('./install-child.js', import.meta.url).pathname
      let died = true
      let deaths = 0
      for (let acts = 0; died; acts++) {
        const old = await fixture.client(server.port)
        const args = [child, node.bpffs, node.cgroup, file(node, 'next'), String(acts)]
        const { signal, status, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' })
        died = signal === 'SIGKILL'
        assert.ok(died || status === 0, stderr)
        if (died) deaths++
        const when = `killed before act ${acts}`
        assert.deepEqual(attached(node), ONE_EACH, when)
        await checkJudged(fixture, server.port, when)
        old.get('/secret')
        await old.until(() => / 403 /.test(old.text))
        assert.doesNotMatch(old.text, / 200 /, when)
        old.socket.destroy()
        await install(node, 'next')
        assert.equal((await node.kernel.inspect())?.dispatcher, sha256(elves.next), when)
        await checkJudged(fixture, server.port, `${when}, gone on from`)
        await install(node, 'old')
        await node.kernel.retire(sha256(elves.next))
      }
      // Load, show, then program by program.
      assert.equal(deaths, 2 + SOCKET_HOOKS.length + CGROUP_HOOKS.length)
    }))

  test("the relay's steering follows: no program of the old one is left when it is unpinned", () =>
    withFixture({}, async (fixture) => {
      const { node } = fixture
      const server = await NODE.start(node)
      const workloads = join(node.directory, 'workloads.json')
      writeFileSync(workloads, readFileSync(workloads, 'utf8').replace('"mode":"kernel"', '"mode":"relay"'))
      await fixture.startRelay()
      await fixture.until(({ modes }) => modes['shop/a']?.mode === 'relay')
      const [own] = node.pins.dispatchers()
      assert.ok(own)
      const steering = async () => {
        const links = JSON.parse((await bpftool('-j', 'link', 'show')) || '[]') as {
          type: string
          prog_id: number
        }[]
        return links.filter(({ type }) => type === 'netns').map(({ prog_id }) => prog_id)
      }
      const id = pinnedProgram(own.program('steer')).id
      assert.ok((await steering()).includes(id))
      await install(node, 'next')
      const next = pinnedProgram(node.pins.dispatcher(sha256(elves.next)).program('steer')).id
      const end = Date.now() + PATIENCE
      while (!(await steering()).includes(next)) assert.ok(Date.now() < end, 'the relay does not follow')
      assert.ok(!(await steering()).includes(id))
      const client = await fixture.client(server.port)
      client.get('/public')
      await client.until(() => / 200 /.test(client.text))
    }))
})
