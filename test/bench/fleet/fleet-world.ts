/** A fleet of simulated nodes around a real store, a real bus and a really signed repository. */
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openFsStore } from '../../../functions/adapters/fs-store.ts'
import { natsBus } from '../../../functions/adapters/nats-bus.ts'
import { NatsCredentials } from '../../../functions/adapters/nats-issuer.ts'
import type { Compiled } from '../../../functions/ports.ts'
import { sha256Hex } from '../../../functions/trust/metadata.ts'
import { checkoutCompiler } from '../../../infra/trust/checkout-code.ts'
import { type Digest, Manifest } from '../../../pipelines/contract/artifact.ts'
import type { Report } from '../../../pipelines/contract/release.ts'
import { publishedRepository } from '../../fakes/published-repository.ts'
import { atSignal } from '../ending.ts'
import { mixedRules } from '../rules.ts'
import { ORIGIN_PORT } from '../servers.ts'
import { type Agents, openAgents } from './agents.ts'
import { startBus, startStore } from './servers.ts'

const RING = 'fleet'
const RULES = 100
/** As many as cores are usual; more would only take turns. */
const PROCESSES = 2
/** In memory where there is such a place: 5,000 nodes have 5,000 disks, and this machine has one. */
const MEMORY = '/dev/shm'

export type Push = { number: number; startedAt: number; publishedMs: number }

export type FleetWorld = {
  dir: string
  /** What an agent that is not one of `agents` needs, to be one of the fleet. */
  place: { ring: string; store: string; nats: string; root: string; seedOf(node: string): string }
  agents: Agents
  /** Processes beside the agents, by what they are. */
  pids: { store: number; bus: number }
  /** So many agents more; all enforce what was pushed last. */
  grow(count: number): Promise<void>
  /** Compiles, publishes, releases and hints. */
  push(): Promise<Push>
  /** Releases the artifact before the newest again, under a higher number, and hints. */
  back(): Promise<Push>
  onReport(handle: ((report: Report) => void) | undefined): void
  /** Called before anything else is taken down. */
  onClose(each: () => Promise<unknown>): void
  /** Also on Ctrl-C and SIGTERM. Twice is once. */
  close(): Promise<void>
}

const nameOf = (index: number) => `node-${index}`

/** `most`: nodes that the bus knows. */
export async function fleetWorld(most: number, say: (line: string) => void): Promise<FleetWorld> {
  const dir = await mkdtemp(join(existsSync(MEMORY) ? MEMORY : tmpdir(), 'heddle-fleet-'))
  const undo: (() => Promise<unknown>)[] = [() => rm(dir, { recursive: true, force: true })]
  let closing: Promise<void> | undefined
  const close = () => {
    closing ??= closeAll(undo).finally(over)
    return closing
  }
  const over = atSignal(close)
  try {
    return await open(dir, { most, say, close, undo: (each) => void undo.push(each) })
  } catch (error) {
    await close()
    throw error
  }
}

/** The last that was begun is the first that ends; what fails does not keep the rest. */
async function closeAll(undo: readonly (() => Promise<unknown>)[]): Promise<void> {
  const failures: unknown[] = []
  for (const each of undo.toReversed()) await each().catch((error: unknown) => failures.push(error))
  if (failures.length > 0) throw failures[0]
}

type Opening = {
  most: number
  say: (line: string) => void
  close(): Promise<void>
  undo(each: () => Promise<unknown>): void
}

async function open(dir: string, { most, say, close, undo }: Opening): Promise<FleetWorld> {
  const nodes = Array.from({ length: most }, (_, index) => ({ name: nameOf(index), ring: RING }))
  const objects = join(dir, 'objects')
  await mkdir(objects)
  const publish = await publisher(objects)
  await writeFile(join(dir, 'root.json'), publish.root)
  await writeFile(join(dir, 'workloads.json'), JSON.stringify({ workloads: [] }))
  const store = await startStore(dir, objects)
  undo(store.stop)
  say(`a bus that knows ${most} nodes`)
  const bus = await startBus(dir, nodes)
  undo(bus.stop)
  let handle: ((report: Report) => void) | undefined
  await bus.publish(await openFsStore(objects))
  const credentials = NatsCredentials.parse(JSON.parse(await readFile(bus.functions.credentials, 'utf8')))
  const functions = natsBus({ url: bus.url, credentials, log: say })
  functions.onReport((report) => handle?.(report))
  undo(() => functions.close())
  const agents = openAgents(PROCESSES)
  undo(agents.stop)
  let size = 0
  const tell = async (release: (ring: string) => Promise<number>): Promise<Push> => {
    const startedAt = performance.now()
    const number = await release(RING)
    const publishedMs = performance.now() - startedAt
    await functions.hint(RING)
    return { number, startedAt, publishedMs }
  }
  return {
    dir,
    place: {
      ...{ ring: RING, store: store.url, nats: bus.url, root: join(dir, 'root.json') },
      seedOf: (node) => join(dir, 'nats/nodes', `${node}.nk`),
    },
    agents,
    pids: { store: store.pid, bus: bus.pid },
    async grow(count) {
      const names = nodes.slice(size, size + count).map(({ name }) => name)
      await agents.start({ names, ring: RING, store: store.url, nats: bus.url, dir })
      size += count
    },
    push: () => tell(publish.next),
    back: () => tell(publish.back),
    onReport(next) {
      handle = next
    },
    onClose: undo,
    close,
  }
}

type Publisher = {
  root: Uint8Array
  next(ring: string): Promise<number>
  back(ring: string): Promise<number>
}

/** The functions' side: what the stages compile, sign and publish do, without their queues. */
async function publisher(objects: string): Promise<Publisher> {
  const compiler = checkoutCompiler()
  const signed = (await compiler.variants()).map(({ variant, digest }) => [variant, digest] as const)
  const repository = await publishedRepository({
    store: await openFsStore(objects),
    code: Object.fromEntries(signed),
    dispatcher: await compiler.dispatcher(),
  })
  let number = 0
  const artifacts: Digest[] = []
  return {
    root: repository.root,
    async next(ring) {
      number++
      // One rule more makes another artifact of the same size.
      const { elf, ...parts } = await compiler.compile(mixedRules(RULES + number, ORIGIN_PORT))
      const artifact = await repository.publishArtifact(manifestOf(elf, parts), elf)
      artifacts.push(artifact)
      await repository.release(ring, number, artifact)
      return number
    },
    async back(ring) {
      number++
      const [before] = artifacts.splice(-2, 1)
      if (before === undefined) throw new Error('nothing was pushed before')
      artifacts.push(before)
      await repository.release(ring, number, before)
      return number
    },
  }
}

function manifestOf(elf: Uint8Array, parts: Omit<Compiled, 'elf'>): Manifest {
  return Manifest.parse({
    schema: 'heddle.artifact/1',
    ...parts,
    elf: { digest: `sha256:${sha256Hex(elf)}`, bytes: elf.length },
    intents: [],
    policies: [{ namespace: 'bench', name: 'bench', file: 'bench.yaml' }],
    source: {
      ...{ repository: 'policies', commit: 'c'.repeat(40) },
      ...{ author: 'a@example.test', committed: '2026-11-23' },
    },
  } satisfies Manifest)
}
