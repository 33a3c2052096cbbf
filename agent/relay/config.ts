/** The relay's configuration: one JSON file, written beside the agent's. */
import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import { Failure } from '../../pipelines/contract/failures.ts'
import { NodeName } from '../../pipelines/contract/release.ts'
import { readLocated } from '../adapters/located-yaml.ts'

const Path = z.string().startsWith('/')
const Milliseconds = z.int().min(1).max(86_400_000)

export const RelayConfig = z.strictObject({
  schema: z.literal('heddle.relay/1'),
  node: NodeName,
  /** Directory of this node on a bpffs: where the agent pins. */
  bpffs: Path,
  /** Cgroup whose sockets are managed; the relay itself must live outside of it. */
  cgroup: Path,
  /** YAML or JSON file: `workloads: [...]`. */
  workloads: Path,
  /** Unix socket that answers every connection with one JSON document. */
  stats: Path,
  /** File that gets one JSON line for each connection ended; null = none. */
  journal: Path.nullable().default(null),
  /** Time a client gets to close by itself once the reply has left. */
  lingerMs: Milliseconds.default(20),
  /** A refused connection lives no longer, whether or not its client takes the reply. */
  graceMs: Milliseconds.default(1_000),
  /** The same while the kernel has not sent the reply yet: its workers starve on a busy machine. */
  replyMs: Milliseconds.default(10_000),
  /** The same where responses to earlier, allowed requests are still owed. */
  owedMs: Milliseconds.default(60_000),
  /** Requests that are under way when the relay is told to stop may take so long. */
  stopMs: Milliseconds.default(5_000),
  /** Between two looks over all connections: finds what a lost event did not tell. */
  sweepMs: Milliseconds.default(5_000),
  /** A message may hold the generation that it began under for so long. */
  drainMs: Milliseconds.default(300_000),
  /** Connections may go on under a dispatcher that another one has replaced for so long. */
  dispatcherDrainMs: Milliseconds.default(600_000),
  /** Connections older than the attach may go on unjudged for so long. */
  establishedMs: Milliseconds.default(30_000),
})
export type RelayConfig = z.infer<typeof RelayConfig>

/** Throws Failure('yaml-syntax' | 'schema-violation') that names file, line and field, or the file system's error. */
export async function readRelayConfig(file: string): Promise<RelayConfig> {
  const { value, locate } = readLocated(file, await readFile(file, 'utf8'))
  const parsed = RelayConfig.safeParse(value)
  if (parsed.success) return parsed.data
  const detail = parsed.error.issues.map(locate)
  throw new Failure('schema-violation', `${file} is no configuration of a relay`, { detail })
}
