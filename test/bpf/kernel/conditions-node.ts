/** Many MeshPolicies in one generation: each is about a workload of its own, at its own address of loopback. */
import assert from 'node:assert/strict'
import { assign, rowsFor } from '../../../agent/identities.ts'
import { readPolicies } from '../../../functions/validate/load-policies.ts'
import type { PolicySet, Workload } from '../../../pipelines/policy/model.ts'
import { compileSet, dispatcherElf } from './artifacts.ts'
import type { Asked } from './conditions-case.ts'
import { exchange, readReplies } from './exchange.ts'
import { KernelFixture, type RecordingServer } from './kernel-fixture.ts'

/** YAML of `spec` without its subject, one policy each. */
export type Specs = readonly string[]

/** On every port. */
export const rule = (action: 'allow' | 'deny', match: string, more = '') =>
  `{action: ${action}, ports: [{from: 1, to: 65535}], match: ${match}${more}}`
export const rules = (...list: string[]) => `rules: [${list.join(', ')}]`

const addressOf = (index: number) => `127.0.1.${index + 1}`
/** Nobody's address: the world's. */
export const WORLD = '127.1.0.9'

const document = (subject: number, policy: number, spec: string) =>
  [
    'apiVersion: heddle.dev/v1',
    'kind: MeshPolicy',
    `metadata: {name: m${subject}-${policy}}`,
    `spec: {subject: {matchLabels: {app: w${subject}}}, ${spec}}`,
  ].join('\n')

function setOf(subjects: readonly Specs[]): PolicySet {
  const documents = subjects.flatMap((specs, subject) =>
    specs.map((spec, policy) => document(subject, policy, spec)),
  )
  const loaded = readPolicies([{ path: 'conditions.yaml', text: documents.join('\n---\n') }])
  if (!('set' in loaded)) assert.fail(JSON.stringify(loaded.findings))
  return loaded.set
}

const workload = (name: string, address: string): Workload => ({
  ...{ name, namespace: 'default', labels: { app: name }, addresses: [address], mode: 'kernel' },
})

/** Of the workload that asks. */
export const WEB_ADDRESS = '127.0.0.2'
const WEB = workload('web', WEB_ADDRESS)

function bytesOf(asked: Asked): Buffer {
  const [line, ...fields] = asked.split('\n')
  const host = fields.some((field) => /^host:/i.test(field)) ? [] : ['Host: a']
  return Buffer.from([`${line} HTTP/1.1`, ...host, ...fields, '', ''].join('\r\n'))
}

const whole = (bytes: Buffer) => [bytes]
export const bytewise = (bytes: Buffer) => [...bytes].map((byte) => Buffer.of(byte))

export class ConditionsNode {
  private readonly fixture: KernelFixture
  private readonly server: RecordingServer
  private generation = 0

  private constructor(fixture: KernelFixture, server: RecordingServer) {
    this.fixture = fixture
    this.server = server
  }

  static async create(): Promise<ConditionsNode> {
    const fixture = await KernelFixture.create(await dispatcherElf())
    return new ConditionsNode(fixture, await fixture.recordingServer('0.0.0.0'))
  }

  close(): Promise<void> {
    return this.fixture.close()
  }

  /** Instead of what was enforced. */
  async enforce(subjects: readonly Specs[]): Promise<void> {
    const { elf, blocks } = await compileSet(setOf(subjects))
    const workloads = subjects.map((_, index) => workload(`w${index}`, addressOf(index)))
    const { identities, addresses } = assign({ identities: [], published: [] }, [WEB, ...workloads])
    const slot = ++this.generation % 8
    await this.fixture.stage(slot, elf, rowsFor(blocks, identities))
    await this.fixture.kernel.setAddresses(addresses)
    await this.fixture.kernel.flip(slot, this.generation)
  }

  /** The status that a request to a subject gets, on a connection of its own; 0 = none. */
  async ask(subject: number, asked: Asked, { cut = whole, from = WORLD } = {}): Promise<number> {
    const to = { host: addressOf(subject), port: this.server.port, from }
    const heads = [asked.startsWith('HEAD ')]
    const enough = (bytes: Buffer) => readReplies(bytes, heads).length === 1
    const { replies } = await exchange(to, cut(bytesOf(asked)), enough)
    return readReplies(replies, heads)[0]?.status ?? 0
  }

  /** What the server gets of bytes that may be no HTTP, and what is said to them; `answered`: wait for that. */
  async send(
    subject: number,
    bytes: string,
    answered: boolean,
  ): Promise<{ received: string; replies: string }> {
    const to = { host: addressOf(subject), port: this.server.port, from: WORLD }
    const { port, replies } = await exchange(
      to,
      [Buffer.from(bytes, 'latin1')],
      (replies) => !answered || readReplies(replies, [false]).length === 1,
    )
    const { bytes: received } = await this.server.recorded(port)
    return { received: received.toString('latin1'), replies: replies.toString('latin1') }
  }
}
