/** Configuration of the functions' local host: one JSON file, paths taken from where it lies. */
import { readFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { z } from 'zod'
import { absoluteAddress } from '../store/open-store.ts'
import { JWT_LIFE_MS } from '../../functions/bus/renewal.ts'
import { openFreeze } from '../../functions/rollout/freezes.ts'
import { Failure } from '../../pipelines/contract/failures.ts'
import { FleetNode, RingChoice, ringsOf } from '../../pipelines/rollout/fleet.ts'
import { RolloutPlan } from '../../pipelines/rollout/plan.ts'

export const HostConfig = z.strictObject({
  /** Bare git repository of policies; made, hook included, when it is not there. */
  repository: z.strictObject({
    path: z.string(),
    name: z.string().default('local/policies'),
    branch: z.string().default('main'),
  }),
  /**
   * GitHub in the place of the bare repository: `repository.name` is then owner/name there, and
   * `repository.path` a directory for what is known of its commits.
   */
  github: z
    .strictObject({
      appId: z.int().min(1),
      installationId: z.int().min(1),
      /** PEM, as GitHub gives it for the app. */
      privateKeyFile: z.string(),
      baseUrl: z.url({ protocol: /^https?$/ }).default('https://api.github.com'),
    })
    .nullable()
    .default(null),
  /** Address of the object store (pipelines/contract/store-address.ts); a directory is made when it is not there. */
  store: z.string(),
  /** The online keys, which this host signs with; `heddle trust init` makes them. */
  keys: z.string(),
  queue: z.string(),
  /** Null = no bus: nodes look by their timers, and no report arrives. */
  nats: z
    .strictObject({
      /** One, or several with commas between. */
      url: z.string(),
      /** What `infra/nats` writes for the functions; without it they are nobody, and renew nothing. */
      credentials: z.string().optional(),
      tls: z.strictObject({ ca: z.string(), certificate: z.string(), key: z.string() }).optional(),
      /** Milliseconds that a node's JWT lives. */
      jwtLifeMs: z.int().min(1_000).default(JWT_LIFE_MS),
    })
    .nullable(),
  /** One webhook secret a line, newest first; made when it is not there. */
  secretFile: z.string(),
  /** Nodes by name and labels, for rings that choose by labels. */
  nodes: z.array(FleetNode).default([]),
  rings: z.array(RingChoice).min(1).max(32),
  soakMs: z.int().min(0).default(0),
  gates: RolloutPlan.shape.gates,
  freezes: RolloutPlan.shape.freezes,
  blastRadius: RolloutPlan.shape.blastRadius,
  /** Directory of `<name>.pub` files: who may promote, pause, stop … Null = nobody. */
  operators: z.string().nullable().default(null),
  /** Loopback only. Port 0 = any; the port that it became is written to portFile. */
  port: z.int().min(0).max(65535).default(0),
  portFile: z.string(),
  /** Unix socket with the same answers, for who is in another network namespace. */
  socket: z.string().nullable().default(null),
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

/** Reads the file and makes its paths absolute. Throws Failure('schema-violation') with each place that is wrong. */
export async function readHostConfig(file: string): Promise<HostConfig> {
  const config = parseHostConfig(file, await readFile(file, 'utf8'))
  const at = (path: string) => resolve(dirname(file), path)
  const { repository, github, nats } = config
  return {
    ...config,
    repository: { ...repository, path: at(repository.path) },
    github: github === null ? null : { ...github, privateKeyFile: at(github.privateKeyFile) },
    store: absoluteAddress(config.store, dirname(file)),
    keys: at(config.keys),
    queue: at(config.queue),
    nats: nats && atHome(nats, at),
    secretFile: at(config.secretFile),
    operators: config.operators === null ? null : at(config.operators),
    portFile: at(config.portFile),
    socket: config.socket === null ? null : at(config.socket),
    rootFile: at(config.rootFile),
  }
}

type NatsConfig = NonNullable<HostConfig['nats']>

function atHome({ credentials, tls, ...nats }: NatsConfig, at: (path: string) => string): NatsConfig {
  const files = tls && { ca: at(tls.ca), certificate: at(tls.certificate), key: at(tls.key) }
  return {
    ...nats,
    ...(credentials === undefined ? {} : { credentials: at(credentials) }),
    ...(files === undefined ? {} : { tls: files }),
  }
}

/** Places and reasons, never values: a key may stand in the wrong field. */
function parseHostConfig(file: string, text: string): HostConfig {
  let content: unknown
  try {
    content = JSON.parse(text)
  } catch {
    throw new Failure('schema-violation', `${file} is no JSON`)
  }
  const parsed = HostConfig.safeParse(content)
  if (parsed.success) return parsed.data
  const detail = parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'the file'}: ${message}`)
  throw new Failure('schema-violation', `${file} is no configuration of the functions`, { detail })
}

/** Statuses lie in the bare repository, which they are about. */
export const statusDirectory = ({ repository }: HostConfig): string => `${repository.path}/heddle/statuses`

type PlanConfig = Pick<HostConfig, 'nodes' | 'rings' | 'soakMs' | 'gates' | 'freezes' | 'blastRadius'>

/** Throws Failure('schema-violation') for nodes without a ring and freezes that are none. */
export function planOf({ nodes, rings, soakMs, gates, freezes, blastRadius }: PlanConfig): RolloutPlan {
  for (const freeze of freezes) openFreeze(freeze)
  try {
    const plan = { rings: ringsOf(rings, nodes), soakMs, gates, freezes }
    return blastRadius === undefined ? plan : { ...plan, blastRadius }
  } catch (cause) {
    throw new Failure('schema-violation', `rings: ${(cause as Error).message}`, { cause })
  }
}
