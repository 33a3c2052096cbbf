/** The agent's configuration: one JSON file, written by `heddle node enroll`. */
import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import { Failure } from '../pipelines/contract/failures.ts'
import { readerAddress } from '../pipelines/contract/store-address.ts'
import { NodeName, RingName } from '../pipelines/contract/release.ts'
import { Zone } from '../pipelines/policy/model.ts'
import { readLocated } from './adapters/located-yaml.ts'

const Path = z.string().startsWith('/')

export const NodeConfig = z.strictObject({
  schema: z.literal('heddle.node/1'),
  node: NodeName,
  ring: RingName,
  /** The ring whose signed success this node asks for first; null in the first ring. */
  previousRing: RingName.nullable(),
  /** Where the object store is: a directory, https://host/path, or s3://bucket/prefix (store-address.ts). */
  store: z.string().superRefine((text, context) => {
    try {
      readerAddress(text)
    } catch (error) {
      context.addIssue({ code: 'custom', message: (error as Failure).message })
    }
  }),
  stateDirectory: Path,
  /**
   * Mount point of the BPF file system that holds this node's pins. libbpf makes an underscore
   * of every dot in a pin's path, so what is pinned would be looked for elsewhere.
   */
  bpffs: Path.refine((path) => !path.includes('.'), 'libbpf pins at no path with a dot in it'),
  /** Cgroup whose sockets are managed. */
  cgroup: Path,
  /** YAML or JSON file: `workloads: [...]`. */
  workloads: Path,
  /** YAML or JSON file: `services: [...]`. Null = this node's workloads call no services. */
  services: Path.nullable().default(null),
  /** What fails together with this node; endpoints in the same zone come before others. */
  zone: Zone.nullable().default(null),
  /** Null = no bus: the timer alone keeps the node up to date. */
  nats: z
    .strictObject({
      /** One, or several with commas between. */
      url: z.string(),
      /** Seed of the node's NKEY. */
      seed: Path,
      /** Who signs servers, and the node's own key; what is signed for both keys comes from the store. */
      tls: z.strictObject({ ca: Path, key: Path }).nullable().default(null),
    })
    .nullable(),
  /** Who may announce what on the bus. Null = nobody is believed. */
  members: Path.nullable().default(null),
  /** root.json as pinned at enrolment. */
  root: Path,
  /** Milliseconds between two looks without a hint, and the part of it that chance adds or takes. */
  pollMs: z.int().min(100).max(86_400_000).default(30_000),
  /** Milliseconds between two reports of what is counted: how soon a gate can trip. */
  reportMs: z.int().min(100).max(3_600_000).default(10_000),
  jitter: z.number().min(0).max(0.9).default(0.2),
})
export type NodeConfig = z.infer<typeof NodeConfig>

/** Throws Failure('yaml-syntax' | 'schema-violation') that names file, line and field, or the file system's error. */
export async function readConfig(file: string): Promise<NodeConfig> {
  return parseConfig(file, await readFile(file, 'utf8'))
}

/** The same of a text. */
export function parseConfig(file: string, text: string): NodeConfig {
  const { value, locate } = readLocated(file, text)
  const parsed = NodeConfig.safeParse(value)
  if (parsed.success) return parsed.data
  const detail = parsed.error.issues.map(locate)
  throw new Failure('schema-violation', `${file} is no configuration of a node`, { detail })
}
