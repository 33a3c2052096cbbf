/** An agent that dies by SIGKILL before its n-th act: `agent-child.js ARGUMENTS.json`. */
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { z } from 'zod'
import { fsStore } from '../../agent/adapters/fs-store.ts'
import { restore } from '../../agent/confirm.ts'
import { openDisk } from '../../agent/disk.ts'
import { reconcile } from '../../agent/reconcile.ts'
import { recoverState } from '../../agent/recover.ts'
import { silentRegistry } from '../../agent/adapters/silent-registry.ts'
import { nothingRests } from '../../agent/service-runs.ts'
import { memoryKernel } from '../fakes/memory-kernel.ts'

const Arguments = z.object({
  directory: z.string(),
  store: z.string(),
  /** File that stands for the kernel: it outlives this process. */
  kernel: z.string(),
  root: z.string(),
  now: z.number(),
  /** Acts before the death; more than there are = none. */
  dieBefore: z.number(),
})

const options = Arguments.parse(JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')))
let acts = 0
const before = () => {
  if (acts++ === options.dieBefore) process.kill(process.pid, 'SIGKILL')
}
const kernel = memoryKernel(
  {
    before,
    after: () => {
      writeFileSync(`${options.kernel}.new`, JSON.stringify(kernel.content))
      renameSync(`${options.kernel}.new`, options.kernel)
      before()
    },
  },
  JSON.parse(readFileSync(options.kernel, 'utf8')),
)
const disk = openDisk(options.directory, before)
const node = {
  name: 'node-0',
  ring: 'canary',
  previousRing: null,
  pinnedRoot: options.root,
  store: fsStore(options.store),
  kernel,
  zone: null,
  workloads: { list: async () => [], watch: () => () => {} },
  services: { list: async () => [], watch: () => () => {} },
  bus: { onHint: async () => {}, report: async () => {}, close: async () => {} },
  disk,
  ...(await recoverState(disk, { ring: 'canary', pinnedRoot: options.root })),
  clock: { now: () => options.now, elapsed: () => 0 },
  published: null,
  routed: null,
  resting: nothingRests(),
  registry: silentRegistry,
  attempt: null,
  metered: null,
  reported: null,
  said: null,
  log: (line: string) => console.log(line),
}
await restore(node)
await reconcile(node, 0)
