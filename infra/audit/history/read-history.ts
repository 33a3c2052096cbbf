/**
 * The whole signed history of a fleet, out of the numbered metadata in its store: every file signed by the keys of
 * its time, no number that goes back, every artifact with its builder's word and its place in the log. The first
 * break is named; what lies before it stands.
 */
import { Targets, type Metadata, type Root } from '@tufjs/models'
import { z } from 'zod'
import type { Store } from '../../../agent/ports.ts'
import { LogReader, logCrypto } from '../../../functions/log/log-reader.ts'
import { readRoots } from '../../../functions/trust/authority.ts'
import { sameBytes } from '../../../pipelines/bytes.ts'
import type { Digest } from '../../../pipelines/contract/artifact.ts'
import { Failure } from '../../../pipelines/contract/failures.ts'
import { LOG_TARGET, LogTarget, logOf } from '../../../pipelines/contract/log.ts'
import type { RolloutEnd } from '../../../pipelines/rollout/state.ts'
import { DENIALS_TARGET, releaseTarget } from '../../../pipelines/contract/object-keys.ts'
import type { Release, RingSuccess } from '../../../pipelines/contract/release.ts'
import { type Chain, followChain, need } from '../chain.ts'
import { lookAtLog } from '../log-monitor.ts'
import { readOnly } from '../open-store.ts'
import { readAhead } from './ahead.ts'
import { openSigned, type Quorum, quorumOf } from './signed-file.ts'
import {
  expectDigest,
  get,
  type ListedRole,
  parse,
  quorumFor,
  readSnapshots,
  signedAt,
  type Snapshots,
  type Step,
} from './snapshots.ts'
import {
  type Artifact,
  readArtifact,
  readDenials,
  readEnds,
  readRelease,
  readSuccess,
  readTarget,
} from './statements.ts'

/** `at`: ISO 8601, when the director signed it. */
export type Told = Release & { at: string }
export type Succeeded = RingSuccess & { at: string }
/** `ends`: number of a rollout → how it ended. */
export type History = {
  artifacts: Map<Digest, Artifact>
  told: Told[]
  succeeded: Succeeded[]
  ends: Map<number, RolloutEnd[]>
}

const Listing = z.looseObject({
  _type: z.literal('targets'),
  version: z.int(),
  expires: z.iso.datetime(),
  targets: z.record(z.string(), z.unknown()),
})
const TargetFile = z.looseObject({
  hashes: z.looseObject({ sha256: z.string().regex(/^[0-9a-f]{64}$/) }),
  custom: z.unknown().optional(),
})

type Trail = {
  store: Store
  pinnedRoot: Uint8Array
  history: History
  roots?: readonly Metadata<Root>[]
  snapshots?: Snapshots
  /** Content of the target that names the log; null = the code key names none. */
  log: string | null
  /** Everybody who was the director at some time. */
  directors: Quorum[]
}

export async function readHistory(store: Store, pinnedRoot: Uint8Array): Promise<Chain & History> {
  const history: History = { artifacts: new Map(), told: [], succeeded: [], ends: new Map() }
  const chain = await followChain<Trail>(
    [
      ['root of trust', roots],
      ['snapshots', snapshots],
      ['what the roles said', statements],
      ['ends of rollouts', ends],
      ['log', log],
    ],
    { store, pinnedRoot, history, log: null, directors: [] },
  )
  return { ...chain, ...history }
}

async function roots(trail: Trail) {
  trail.roots = await readRoots(readOnly(trail.store), trail.pinnedRoot)
  return { roots: trail.roots.length, newest: trail.roots.at(-1)?.signed.version }
}

async function snapshots(trail: Trail) {
  trail.snapshots = await readSnapshots(trail.store, need(trail.roots))
  const { steps, abandoned, expires } = trail.snapshots
  return { snapshots: steps.length, abandoned, since: steps[0]?.at, expires }
}

/** A role's file that a snapshot is the first to name. */
type Version = { role: ListedRole; step: Step }
/** Who may speak as the delegated roles now, and what the roles said last. */
type Now = {
  root: number
  delegated: Record<string, Quorum>
  last: Partial<Record<ListedRole, number>>
  seen: Map<string, string>
  rings: Map<string, Release>
  denied: ReadonlySet<Digest>
}

async function statements(trail: Trail) {
  const now: Now = { root: 0, delegated: {}, last: {}, seen: new Map(), rings: new Map(), denied: new Set() }
  const files: Version[] = []
  const named = new Map<ListedRole, number>()
  for (const step of need(trail.snapshots).steps)
    for (const role of ['targets', 'code', 'policy', 'release'] as const) {
      if (named.get(role) === step.files[role].version) continue
      named.set(role, step.files[role].version)
      files.push({ role, step })
    }
  const read = ({ role, step }: Version) => get(trail.store, role, step.files[role].version)
  for await (const [version, bytes] of readAhead(files, read)) await take(trail, now, version, bytes)
  const { artifacts, told, succeeded } = trail.history
  return {
    files: files.length,
    artifacts: artifacts.size,
    releases: told.length,
    successes: succeeded.length,
  }
}

async function take(trail: Trail, now: Now, { role, step }: Version, bytes: Uint8Array): Promise<void> {
  const file = step.files[role]
  const name = `${file.version}.${role}.json, named by snapshot ${step.number},`
  expectDigest(name, bytes, file)
  const signed =
    role === 'targets' ? openTargets(trail, now, bytes) : openSigned(bytes, now.delegated[role] as Quorum)
  if (signed === undefined)
    throw new Failure('metadata-untrusted', `${name} is not signed by the ${role} keys of its time`)
  const { version, expires, targets } = parse(Listing, signed, name)
  if (version !== file.version) throw new Failure('metadata-rollback', `${name} says that it is ${version}`)
  if (role === 'targets') return
  const at = signedAt(expires, role)
  if (role === 'code') trail.log = await readLog(trail.store, targets)
  for (const [path, target] of Object.entries(targets)) {
    if (!path.startsWith(`${role}/`)) continue
    const { hashes, custom } = target as z.infer<typeof TargetFile>
    if (now.seen.get(path) === hashes?.sha256) continue
    const hex = parse(TargetFile, target, `${name} target ${path}`).hashes.sha256
    now.seen.set(path, hex)
    if (role === 'policy') await takeArtifact(trail, now, { artifact: `sha256:${hex}`, custom, listed: at })
    if (role === 'release') await takeRelease(trail, now, { path, hex, at })
  }
}

/** Signed as a root says that is not older than the one before; from here on its delegations speak. */
function openTargets({ roots: all, directors }: Trail, now: Now, bytes: Uint8Array): unknown {
  for (let root = now.root; root < need(all).length; root++) {
    const signed = openSigned(bytes, quorumFor(need(all)[root] as Metadata<Root>, 'targets'))
    if (signed === undefined) continue
    now.root = root
    const { delegations } = targetsOf(signed)
    for (const [role, delegated] of Object.entries(delegations?.roles ?? {}))
      now.delegated[role] = quorumOf(delegated, delegations?.keys ?? {})
    if (now.delegated['release'] !== undefined) directors.push(now.delegated['release'])
    return signed
  }
  return undefined
}

function targetsOf(signed: unknown): Targets {
  try {
    return Targets.fromJSON(signed as Parameters<typeof Targets.fromJSON>[0])
  } catch (cause) {
    throw new Failure('metadata-untrusted', 'targets delegate in a form that nobody reads', { cause })
  }
}

async function readLog(store: Store, targets: Record<string, unknown>): Promise<string | null> {
  const target = TargetFile.safeParse(targets[LOG_TARGET])
  if (!target.success) return null
  return Buffer.from(await readTarget(store, LOG_TARGET, target.data.hashes.sha256)).toString('utf8')
}

type Listed = { artifact: Digest; custom: unknown; listed: string }

async function takeArtifact({ store, log: named, history }: Trail, now: Now, listed: Listed): Promise<void> {
  const from = { builder: now.delegated['policy'] as Quorum, log: named }
  history.artifacts.set(listed.artifact, await readArtifact(store, listed, from))
}

async function takeRelease(
  { store, history }: Trail,
  now: Now,
  { path, hex, at }: { path: string; hex: string; at: string },
): Promise<void> {
  if (path.endsWith('.success.json')) {
    const success = await readSuccess(store, { path, hex }, now.delegated['release'] as Quorum)
    history.succeeded.push({ ...success, at })
    return
  }
  if (path === DENIALS_TARGET) {
    now.denied = new Set(await readDenials(store, hex, now.delegated['release'] as Quorum))
    return
  }
  const release = await readRelease(store, path, hex)
  // Other statements of the director lie there too; which ring runs what is all that is asked here.
  if (release === undefined) return
  const before = now.rings.get(release.ring)
  if (path !== releaseTarget(release.ring))
    throw new Failure('release-wrong-ring', `${path} is a release of ring ${release.ring}`)
  // Rollback attack: a node refuses it, an auditor names it.
  const back = before !== undefined && release.number < before.number
  if (back || (release.number === before?.number && release.artifact !== before.artifact))
    throw new Failure('release-replayed', `${path}: release ${release.number} after ${before?.number}`)
  if (!history.artifacts.has(release.artifact))
    throw new Failure('artifact-untrusted', `${path}: nobody has listed ${release.artifact}`)
  now.rings.set(release.ring, release)
  // The same release again lets more nodes of the ring take it.
  if (release.number === before?.number) return
  if (now.denied.has(release.artifact))
    throw new Failure('artifact-denied', `${path}: release ${release.number} names ${release.artifact}`)
  history.told.push({ ...release, at })
}

async function ends({ store, history, directors }: Trail) {
  const told = new Map(history.told.map((each) => [each.number, each]))
  const read = (each: Told) => readEnds(store, each, directors)
  for await (const [{ number }, found] of readAhead([...told.values()], read)) history.ends.set(number, found)
  return { ends: [...history.ends.values()].flat().length }
}

/** The log is whole, and every tree that a proof was made in is where it begins. */
async function log({ store, log: named, history }: Trail) {
  if (named === null) return { log: null }
  const target = LogTarget.safeParse(JSON.parse(named))
  const found = target.success ? logOf(target.data, logCrypto) : undefined
  if (found === undefined) throw new Failure('code-untrusted', `${LOG_TARGET} names keys that are none`)
  const { now } = await lookAtLog(readOnly(store), found, { kept: undefined, everything: true })
  const tree = new LogReader(readOnly(store), found).tree(now?.size ?? 0)
  let proofs = 0
  for (const { artifact, logged } of history.artifacts.values()) {
    if (logged === null || logged.origin !== found.origin) continue
    if (now === undefined || logged.size > now.size)
      throw new Failure('log-shrunk', `the log had ${logged.size} entries when it showed ${artifact}`)
    if (!sameBytes(await tree.root(logged.size), logged.root))
      throw new Failure('log-split-view', `${artifact} was shown in another history of the log`)
    proofs++
  }
  return { log: found.origin, size: now?.size ?? 0, proofs }
}
