/**
 * The numbered snapshots: what the fleet could see, one after the other. Each is signed by the snapshot keys of a
 * root that is not older than the root that vouched for the one before: a key that was rotated away says nothing
 * any more.
 */
import type { Metadata, Root } from '@tufjs/models'
import { z } from 'zod'
import type { Store } from '../../../agent/ports.ts'
import { sha256 } from '../../../agent/cache.ts'
import { LIFETIME_MS } from '../../../functions/trust/roles.ts'
import { Failure } from '../../../pipelines/contract/failures.ts'
import { metadataKey } from '../../../pipelines/contract/object-keys.ts'
import { readAhead } from './ahead.ts'
import { openSigned, type Quorum, quorumOf } from './signed-file.ts'

/** Bytes of one metadata file. */
const MAX_METADATA_BYTES = 8 * 1024 * 1024
/** Snapshots of one history: a change every minute for two years. */
const MAX_SNAPSHOTS = 1_000_000

export const LISTED = ['targets', 'code', 'policy', 'release'] as const
export type ListedRole = (typeof LISTED)[number]

const File = z.looseObject({
  version: z.int().min(1),
  hashes: z.looseObject({ sha256: z.string().regex(/^[0-9a-f]{64}$/) }),
})
type File = z.infer<typeof File>
const Timestamp = z.looseObject({
  _type: z.literal('timestamp'),
  version: z.int(),
  expires: z.string(),
  meta: z.looseObject({ 'snapshot.json': File }),
})
const Snapshot = z.looseObject({
  _type: z.literal('snapshot'),
  version: z.int(),
  expires: z.iso.datetime(),
  meta: z.looseObject({
    'targets.json': File,
    'code.json': File,
    'policy.json': File,
    'release.json': File,
  }),
})

/** One state of the repository. `at`: ISO 8601, when it was signed. `root`: index of the root that vouches for it. */
export type Step = { number: number; at: string; root: number; files: Record<ListedRole, File> }
/** `abandoned`: snapshots of writers that lost a race, or that somebody went back behind: never the fleet's, or not for long. */
export type Snapshots = { steps: Step[]; abandoned: number[]; expires: string }

/** Throws Failure('artifact-missing' | 'metadata-untrusted' | 'metadata-rollback' | 'limit-exceeded'). */
export async function readSnapshots(store: Store, roots: readonly Metadata<Root>[]): Promise<Snapshots> {
  const { newest, expires } = await readTimestamp(store, roots)
  if (newest.version > MAX_SNAPSHOTS)
    throw new Failure('limit-exceeded', `more than ${MAX_SNAPSHOTS} snapshots`)
  const numbers = Array.from({ length: newest.version }, (_, at) => at + 1)
  const quorums = roots.map((root) => quorumFor(root, 'snapshot'))
  const steps: Step[] = []
  let from = 0
  for await (const [number, bytes] of readAhead(numbers, (n) => get(store, 'snapshot', n))) {
    if (number === newest.version) expectDigest(`${number}.snapshot.json`, bytes, newest)
    const step = readStep(number, bytes, { quorums, from })
    from = step.root
    steps.push(step)
  }
  return { ...onChain(steps), expires }
}

async function readTimestamp(store: Store, roots: readonly Metadata<Root>[]) {
  const bytes = await store.get(metadataKey('timestamp.json'), MAX_METADATA_BYTES)
  if (bytes === undefined) throw new Failure('artifact-missing', 'timestamp.json is not in the store')
  for (const root of [...roots].reverse()) {
    const parsed = Timestamp.safeParse(openSigned(bytes, quorumFor(root, 'timestamp')))
    if (parsed.success) return { newest: parsed.data.meta['snapshot.json'], expires: parsed.data.expires }
  }
  throw new Failure('metadata-untrusted', 'timestamp.json is not signed by the keys of any root')
}

function readStep(
  number: number,
  bytes: Uint8Array,
  { quorums, from }: { quorums: readonly Quorum[]; from: number },
): Step {
  const name = `${number}.snapshot.json`
  for (let root = from; root < quorums.length; root++) {
    const signed = openSigned(bytes, quorums[root] as Quorum)
    if (signed === undefined) continue
    const { version, expires, meta } = parse(Snapshot, signed, name)
    if (version !== number) throw new Failure('metadata-rollback', `${name} says that it is ${version}`)
    const files = {
      targets: meta['targets.json'],
      code: meta['code.json'],
      policy: meta['policy.json'],
      release: meta['release.json'],
    }
    return { number, root, files, at: signedAt(expires, 'snapshot') }
  }
  throw new Failure('metadata-untrusted', `${name} is not signed by the snapshot keys of its time`)
}

/**
 * The snapshots that lead to the newest one without a step back. A writer that loses a race leaves one that names
 * what nobody was ever shown; which they were, later numbers tell.
 */
function onChain(all: readonly Step[]): Pick<Snapshots, 'steps' | 'abandoned'> {
  const steps: Step[] = []
  const abandoned: number[] = []
  for (const step of [...all].reverse()) {
    const next = steps.at(-1)
    const leads =
      next === undefined || LISTED.every((role) => step.files[role].version <= next.files[role].version)
    if (leads) steps.push(step)
    else abandoned.push(step.number)
  }
  return { steps: steps.reverse(), abandoned: abandoned.reverse() }
}

/** When metadata was signed, by when it expires. */
export function signedAt(expires: string, role: keyof typeof LIFETIME_MS): string {
  return new Date(Date.parse(expires) - LIFETIME_MS[role]).toISOString()
}

export async function get(store: Store, role: string, version: number): Promise<Uint8Array> {
  const key = metadataKey(`${version}.${role}.json`)
  const bytes = await store.get(key, MAX_METADATA_BYTES)
  if (bytes === undefined) throw new Failure('artifact-missing', `${key} is not in the store`)
  return bytes
}

export function expectDigest(name: string, bytes: Uint8Array, file: File): void {
  if (sha256(bytes) === `sha256:${file.hashes.sha256}`) return
  throw new Failure('metadata-untrusted', `${name} is not what was named`)
}

export function quorumFor(root: Metadata<Root>, role: string): Quorum {
  const found = root.signed.roles[role]
  if (found === undefined) throw new Failure('metadata-untrusted', `nobody may speak as ${role}`)
  return quorumOf(found, root.signed.keys)
}

export function parse<T>(schema: z.ZodType<T>, value: unknown, name: string): T {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  throw new Failure('metadata-untrusted', `${name} is malformed`)
}
