/**
 * An agent and a store's writer on a disk that is really full: `disk-full-child.js ARGUMENTS.json`, in a
 * mount namespace of its own. Says one JSON line of what came of it.
 */
import { mkdirSync, readFileSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { cp, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { execFileSync } from 'node:child_process'
import { z } from 'zod'
import { fsStore } from '../../agent/adapters/fs-store.ts'
import { silentRegistry } from '../../agent/adapters/silent-registry.ts'
import { openDisk } from '../../agent/disk.ts'
import { reconcile } from '../../agent/reconcile.ts'
import { recoverState } from '../../agent/recover.ts'
import { nothingRests } from '../../agent/service-runs.ts'
import { openFsStore } from '../../functions/adapters/fs-store.ts'
import { Failure } from '../../pipelines/contract/failures.ts'
import type { Report } from '../../pipelines/contract/release.ts'
import { type KernelContent, memoryKernel } from '../fakes/memory-kernel.ts'
import { judging } from './moment.ts'

const Arguments = z.object({
  what: z.enum(['agent', 'store']),
  /** Where the disk is mounted; empty. */
  mount: z.string(),
  /** The node's directory before it takes the release. */
  directory: z.string(),
  store: z.string(),
  /** What the kernel holds then. */
  content: z.unknown(),
  root: z.string(),
  now: z.number(),
  /** One run each: the agent's act before which the disk is full, or the pages that the store has left. */
  runs: z.array(z.number()),
})
const options = Arguments.parse(JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')))
const PAGE = 4096
/** Bytes of the disk: the node's directory, and what a release adds to it, are far below. */
const SIZE = 4 << 20
const filler = join(options.mount, 'filler')

execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${SIZE}`, 'tmpfs', options.mount])

/** Takes all space but so many pages. */
function fill(pages: number): void {
  rmSync(filler, { force: true })
  const { bavail, bsize } = statfsSync(options.mount)
  writeFileSync(filler, Buffer.alloc(Math.max(0, bavail * bsize - pages * PAGE)))
}

/** `act` is called before each operation on the disk and each read of the store. */
async function pass(
  directory: string,
  kernel: ReturnType<typeof memoryKernel>,
  act: () => void,
): Promise<Report | undefined> {
  let said: Report | undefined
  const disk = openDisk(directory, act)
  const objects = fsStore(options.store)
  const node = {
    name: 'node-0',
    ring: 'canary',
    previousRing: null,
    pinnedRoot: options.root,
    store: {
      get: (key: string, max: number) => {
        act()
        return objects.get(key, max)
      },
    },
    kernel,
    zone: null,
    workloads: { list: async () => [], watch: () => () => {} },
    services: { list: async () => [], watch: () => () => {} },
    bus: {
      onHint: async () => {},
      report: async (report: Report) => {
        said = report
      },
      close: async () => {},
    },
    disk,
    ...(await recoverState(disk, { ring: 'canary', pinnedRoot: options.root })),
    clock: { now: () => options.now, elapsed: () => 0 },
    published: null,
    routed: null,
    resting: nothingRests(),
    registry: silentRegistry,
    reported: null,
    said: null,
    attempt: null,
    metered: null,
    log: () => {},
  }
  await reconcile(node, 0)
  return said
}

/** What ran, why, and what runs when there is space again. */
async function agent(): Promise<unknown[]> {
  const runs: unknown[] = []
  for (const at of options.runs) {
    const directory = join(options.mount, `node-${at}`)
    await cp(options.directory, directory, { recursive: true })
    const kernel = memoryKernel({}, structuredClone(options.content) as KernelContent)
    let acts = 0
    const under = await pass(directory, kernel, () => {
      if (acts++ === at) fill(0)
    })
    const full = judging(kernel.content)
    rmSync(filler, { force: true })
    const next = await pass(directory, kernel, () => {})
    const { outcome, failure } = under ?? {}
    runs.push({ at, acts, full, outcome, failure, after: judging(kernel.content), next: next?.failure })
    rmSync(directory, { recursive: true })
  }
  return runs
}

/** The same for writes to a store: how they failed, what is left of them, and whether they pass afterwards. */
async function store(): Promise<unknown[]> {
  const runs: unknown[] = []
  const bytes = Buffer.alloc(5 * PAGE, 'new')
  for (const pages of options.runs) {
    const root = join(options.mount, `store-${pages}`)
    mkdirSync(root)
    const opened = await openFsStore(root)
    const version = await opened.replace('pointer', Buffer.from('old'), undefined)
    fill(pages)
    const codes = [
      await codeOf(opened.create('blobs/one', bytes)),
      await codeOf(opened.replace('pointer', bytes, version)),
    ]
    const left = await readdir(join(root, '.temporary'))
    rmSync(filler)
    const one = await opened.get('blobs/one', SIZE)
    const pointer = Buffer.from((await opened.get('pointer', SIZE))?.bytes ?? []).toString()
    if (codes[1] !== null) await opened.replace('pointer', bytes, version)
    runs.push({
      pages,
      codes,
      left,
      whole: one === undefined ? null : Buffer.compare(one.bytes, bytes) === 0,
      pointer: pointer === 'old' ? 'old' : pointer === bytes.toString() ? 'new' : 'half',
      again: await opened.create('blobs/one', bytes),
    })
    rmSync(root, { recursive: true })
  }
  return runs
}

const codeOf = (promise: Promise<unknown>): Promise<string | null> =>
  promise.then(
    () => null,
    (error: unknown) => (error instanceof Failure ? error.code : `not a Failure: ${error}`),
  )

process.stdout.write(JSON.stringify(options.what === 'agent' ? await agent() : await store()))
