/** One node, its kernel, and a signed repository that it reads: what a test of the agent needs. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sha256 } from '../../agent/cache.ts'
import { type BeforeOperation, openDisk } from '../../agent/disk.ts'
import type { Node } from '../../agent/node.ts'
import { reconcile } from '../../agent/reconcile.ts'
import { recoverState } from '../../agent/recover.ts'
import { silentRegistry } from '../../agent/adapters/silent-registry.ts'
import { nothingRests } from '../../agent/service-runs.ts'
import { digestsOf } from '../../agent/trust/code.ts'
import type { Digest, Manifest } from '../../pipelines/contract/artifact.ts'
import type { Report } from '../../pipelines/contract/release.ts'
import type { Workload } from '../../pipelines/policy/model.ts'
import type { Service } from '../../pipelines/services/model.ts'
import { manualClock } from './keys.ts'
import { type MemoryKernel, memoryKernel } from './memory-kernel.ts'
import { memoryStore } from './memory-store.ts'
import { type PublishedRepository, publishedRepository } from './published-repository.ts'
import { tablesOf, testElf } from './test-elf.ts'

export const CODE = 'program text'
const VARIANT = 'small'

/** A manifest that fits the ELF; `fields` overrides what a test wants to be wrong. */
export function manifestOf(elf: Uint8Array, fields: Partial<Manifest> = {}): Manifest {
  return {
    schema: 'heddle.artifact/1',
    abi: 1,
    kernel: { minimum: '6.1', arch: 'bpfel', hooks: [] },
    code: { variant: VARIANT, digest: digestsOf(elf).code },
    tables: { digest: tablesOf(elf) as Digest, words: 4 },
    elf: { digest: sha256(elf), bytes: elf.length },
    blocks: [
      { kind: 'select', subject: { namespaces: ['shop'], requirements: [] }, peers: null },
      {
        kind: 'judge',
        subject: { namespaces: ['shop'], requirements: [] },
        peers: [
          {
            namespaces: null,
            requirements: [{ key: 'app', operator: 'In', values: ['cart'] }],
          },
        ],
      },
    ],
    services: [],
    routes: [],
    intents: [],
    policies: [],
    source: {
      repository: 'policies',
      commit: 'c'.repeat(40),
      author: 'a@example.test',
      committed: '2026-11-23',
    },
    ...fields,
  }
}

export type Fleet = {
  directory: string
  store: ReturnType<typeof memoryStore>
  published: PublishedRepository
  kernel: MemoryKernel
  clock: ReturnType<typeof manualClock>
  workloads: Workload[]
  services: Service[]
  reports: Report[]
  logs: string[]
  /** Publish an artifact with these tables. */
  artifact(tables: string, fields?: Partial<Manifest>): Promise<Digest>
  /** A node as after a start: memory from disk, the same kernel. */
  node(options?: Partial<Node> & { before?: BeforeOperation; directory?: string }): Promise<Node>
  /** One pass of a freshly started node; its report. */
  pass(options?: Partial<Node>): Promise<Report>
  close(): Promise<void>
}

export async function nodeFleet(): Promise<Fleet> {
  const store = memoryStore()
  const clock = manualClock()
  const reference = testElf(CODE, '')
  const published = await publishedRepository({
    store,
    code: { [VARIANT]: digestsOf(reference).code },
    dispatcher: testElf('dispatcher', ''),
    clock,
  })
  const directory = await mkdtemp(join(tmpdir(), 'heddle-node-'))
  const reports: Report[] = []
  const logs: string[] = []
  const workloads: Workload[] = [
    { name: 'cart-1', namespace: 'shop', labels: { app: 'cart' }, addresses: ['10.0.0.1'], mode: 'auto' },
    { name: 'web-1', namespace: 'shop', labels: { app: 'web' }, addresses: ['10.0.0.2'], mode: 'auto' },
  ]
  const fleet: Fleet = {
    directory,
    store,
    published,
    kernel: memoryKernel(),
    clock,
    workloads,
    services: [],
    reports,
    logs,
    artifact(tables, fields = {}) {
      const elf = testElf(CODE, tables)
      return published.publishArtifact(manifestOf(elf, fields), elf)
    },
    async node({ before, directory: own = directory, ...options } = {}) {
      const disk = openDisk(own, before)
      const pinnedRoot = Buffer.from(published.root).toString()
      return {
        name: 'node-0',
        ring: 'canary',
        previousRing: null,
        pinnedRoot,
        store: { get: async (key, max) => (await store.get(key, max))?.bytes },
        kernel: fleet.kernel,
        zone: null,
        workloads: { list: async () => fleet.workloads, watch: () => () => {} },
        services: { list: async () => fleet.services, watch: () => () => {} },
        bus: {
          onHint: async () => {},
          report: async (report) => void reports.push(report),
          close: async () => {},
        },
        disk,
        ...(await recoverState(disk, { ring: options.ring ?? 'canary', pinnedRoot })),
        clock: { now: () => clock.now().getTime(), elapsed: () => 0 },
        published: null,
        routed: null,
        resting: nothingRests(),
        registry: silentRegistry,
        attempt: null,
        metered: null,
        reported: null,
        said: null,
        log: (line) => logs.push(line),
        ...options,
      }
    },
    async pass(options = {}) {
      await reconcile(await fleet.node(options), 0)
      const report = reports.at(-1)
      if (report === undefined) throw new Error('no report')
      return report
    },
    close: () => rm(directory, { recursive: true, force: true }),
  }
  return fleet
}

/** The same, its ring's release already enforced. */
export async function enforcingFleet(): Promise<Fleet> {
  const fleet = await nodeFleet()
  await fleet.published.release('canary', 5, await fleet.artifact('one'))
  assert.equal((await fleet.pass()).outcome, 'enforced')
  return fleet
}
