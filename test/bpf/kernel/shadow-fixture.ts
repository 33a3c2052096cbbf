/** A node on which one policy judges and another one looks on. */
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { u32 } from '../../../agent/adapters/libbpf.ts'
import { assign, rowsFor } from '../../../agent/identities.ts'
import type { Candidate, ShadowCounts, ShadowFacts } from '../../../agent/ports.ts'
import type { PolicySet, Workload } from '../../../pipelines/policy/model.ts'
import { Limit, ShadowLimit, ShadowSeatLayout, WindowLayout } from '../../../bpf/abi/heddle.gen.ts'
import { compileSet, dispatcherElf } from './artifacts.ts'
import { exchange, readReplies } from './exchange.ts'
import { PEERS, SUBJECT } from './generated-policies.ts'
import { KernelFixture, type RecordingServer } from './kernel-fixture.ts'
import { oneRule } from './one-rule.ts'

export const NOTHING: ShadowCounts = { agree: 0, newDenies: 0, newAllows: 0, other: 0, unseen: 0 }

/** Everybody may ask for these paths (regular expressions) by TCP. */
export function allowing(...paths: string[]): PolicySet {
  const set = oneRule()
  const [policy] = set.policies
  const [rule] = policy?.allow ?? []
  assert.ok(policy !== undefined && rule?.http !== null && rule !== undefined)
  const http = paths.map((path) => ({ source: rule.source, path, headers: [] }))
  return { ...set, policies: [{ ...policy, allow: [{ ...rule, http }] }] }
}

export class ShadowFixture {
  readonly node: KernelFixture
  private generation = 0

  private constructor(node: KernelFixture) {
    this.node = node
  }

  static async create(t: TestContext): Promise<ShadowFixture> {
    const node = await KernelFixture.create(await dispatcherElf())
    t.after(() => node.close())
    return new ShadowFixture(node)
  }

  /** In a slot of its own; it judges nothing yet. */
  async load(set: PolicySet, workloads: Workload[] = [SUBJECT, ...PEERS]) {
    const generation = ++this.generation
    const slot = generation % 8
    const { elf, blocks } = await compileSet(set)
    const { identities, addresses } = assign({ identities: [], published: [] }, workloads)
    await this.node.stage(slot, elf, rowsFor(blocks, identities))
    await this.node.kernel.setAddresses(addresses)
    return { slot, generation, bytes: elf.length }
  }

  async activate(set: PolicySet) {
    const loaded = await this.load(set)
    await this.node.kernel.flip(loaded.slot, loaded.generation)
    return loaded
  }

  /** Both loaded, one of them active, the other one asked. */
  async pair(active: PolicySet, candidate: PolicySet) {
    const judging = await this.activate(active)
    const looking = await this.load(candidate)
    await this.node.kernel.shadow.begin(judging.slot, looking)
    return { active: judging, candidate: looking }
  }

  /** Both are loaded already; counts begin at zero. */
  async again(active: Candidate, candidate: Candidate): Promise<void> {
    const { kernel } = this.node
    await kernel.shadow.end()
    await kernel.flip(active.slot, ++this.generation)
    await kernel.shadow.begin(active.slot, candidate)
  }

  async found(): Promise<ShadowFacts> {
    const facts = await this.node.kernel.shadow.read()
    assert.ok(facts, 'no shadow is on')
    return facts
  }

  /** Counts that are not zero. */
  async counts(): Promise<Partial<ShadowCounts>> {
    const { counts } = await this.found()
    return Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0))
  }
}

/** One connection: what it sends, in so many writes, until so many answers are there. Their statuses. */
export async function asked(server: RecordingServer, parts: string[], answers: number): Promise<number[]> {
  const to = { host: '127.0.0.1', port: server.port, from: '127.0.0.1' }
  const { replies } = await exchange(
    to,
    parts.map((part) => Buffer.from(part, 'latin1')),
    (bytes) => readReplies(bytes, []).length >= answers,
  )
  return readReplies(replies, []).map(({ status }) => status)
}

export const get = (path: string, fields = '') => `GET ${path} HTTP/1.1\r\nHost: a\r\n${fields}\r\n`

/** Seats and windows that somebody has claimed. */
export function claimed(node: KernelFixture): number {
  const count = (name: 'shadow_seats' | 'windows', entries: number, field: { at: number }, bytes: number) =>
    node.withMap(name, (map) => {
      let busy = 0
      for (let at = 0; at < entries; at++) busy += map.lookup(u32(at), bytes)?.readUInt32LE(field.at) ? 1 : 0
      return busy
    })
  const seats = ShadowLimit.SHADOW_SEATS + 1
  const windows = Limit.MAX_CPUS * Limit.WINDOWS_PER_CPU
  return (
    count('shadow_seats', seats, ShadowSeatLayout.fields.busy, ShadowSeatLayout.bytes) +
    count('windows', windows, WindowLayout.fields.busy, WindowLayout.bytes)
  )
}
