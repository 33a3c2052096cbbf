/** Configuration of the functions' local host: one JSON file, paths taken from where it lies. */
import { readFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { z } from 'zod'
import { Ring } from '../../pipelines/rollout.ts'

export const HostConfig = z.strictObject({
  /** Bare git repository of policies; made, hook included, when it is not there. */
  repository: z.strictObject({
    path: z.string(),
    name: z.string().default('local/policies'),
    branch: z.string().default('main'),
  }),
  /** Directories, made when they are not there. */
  store: z.string(),
  /** The online keys, which this host signs with; `heddle trust init` makes them. */
  keys: z.string(),
  queue: z.string(),
  /** Null = no bus: nodes look by their timers, and no report arrives. */
  nats: z.strictObject({ url: z.string(), seedFile: z.string().optional() }).nullable(),
  /** One webhook secret a line, newest first; made when it is not there. */
  secretFile: z.string(),
  rings: z.array(Ring).min(1),
  soakMs: z.int().min(0).default(0),
  /** Loopback only. Port 0 = any; the port that it became is written to portFile. */
  port: z.int().min(0).max(65535).default(0),
  portFile: z.string(),
  /** The root of trust that `heddle trust init` wrote: nodes pin it, this host verifies from it. */
  rootFile: z.string(),
  hook: z
    .strictObject({
      /** Milliseconds that a push waits for its answer, and how far it waits. */
      waitMs: z.int().min(0).default(30_000),
      until: z.enum(['published', 'first-ring', 'done']).default('first-ring'),
    })
    .prefault({}),
  /** Milliseconds between two looks at the branch's head and at metadata that grows old. */
  reconcileMs: z.int().min(100).default(60_000),
})
export type HostConfig = z.infer<typeof HostConfig>

/** Reads the file and makes its paths absolute. Throws on anything unknown or missing. */
export async function readHostConfig(file: string): Promise<HostConfig> {
  const config = HostConfig.parse(JSON.parse(await readFile(file, 'utf8')))
  const at = (path: string) => resolve(dirname(file), path)
  const { repository, nats } = config
  return {
    ...config,
    repository: { ...repository, path: at(repository.path) },
    store: at(config.store),
    keys: at(config.keys),
    queue: at(config.queue),
    nats: nats?.seedFile === undefined ? nats : { ...nats, seedFile: at(nats.seedFile) },
    secretFile: at(config.secretFile),
    portFile: at(config.portFile),
    rootFile: at(config.rootFile),
  }
}

/** Statuses lie in the bare repository, which they are about. */
export const statusDirectory = ({ repository }: HostConfig): string => `${repository.path}/heddle/statuses`
