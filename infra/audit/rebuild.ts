/**
 * An artifact made again from its commit, by the stages that the functions run and by nothing that they keep: the
 * same bytes, or the names of the parts that differ.
 */
import { gitForge } from '../../functions/adapters/git-forge.ts'
import { nodePolicyReader } from '../../functions/adapters/node-policy-reader.ts'
import { getJson } from '../../functions/blobs.ts'
import { compile } from '../../functions/compile/build-artifact.ts'
import { NO_PULLS, NO_REVIEWS } from '../../functions/no-forge.ts'
import type { Compiler, ObjectStore, Queue, Statuses } from '../../functions/ports.ts'
import { validate } from '../../functions/validate/validate.ts'
import { type Digest, Manifest } from '../../pipelines/contract/artifact.ts'
import { canonicalJson, type Json } from '../../pipelines/contract/canonical-json.ts'
import type { CommitStatus } from '../../pipelines/contract/commit-status.ts'
import type { DeliveryEvent } from '../../pipelines/contract/events.ts'
import { Failure } from '../../pipelines/contract/failures.ts'

/** Parts of a manifest that tell where a difference comes from. */
const PARTS = [
  'abi',
  'kernel',
  'code',
  'tables',
  'elf',
  'blocks',
  'services',
  'routes',
  'breakers',
  'intents',
  'audits',
  'policies',
  'source',
] as const

const COMMIT = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/

export type Part = { part: (typeof PARTS)[number]; same: boolean; published: Json; rebuilt: Json }
export type Rebuilt = { artifact: Digest; commit: string; rebuilt: Digest; same: boolean; parts: Part[] }

/** Throws Failure('artifact-missing' | 'artifact-tampered' | 'artifact-untrusted' | 'forge-unavailable' | 'rebuild-differs'). */
export async function rebuild(
  store: Pick<ObjectStore, 'get'>,
  artifact: Digest,
  from: { repository: string; compiler: Compiler },
): Promise<Rebuilt> {
  const published = await getJson(store, artifact, Manifest)
  const { commit, repository } = published.source
  if (!COMMIT.test(commit)) throw new Failure('artifact-untrusted', `the manifest names no commit: ${commit}`)
  const workshop = memory()
  const sent: DeliveryEvent[] = []
  const posted: CommitStatus[] = []
  const queue: Queue = { send: async (event) => void sent.push(event) }
  const statuses: Statuses = {
    post: async (_, status) => void posted.push(status),
    get: async () => undefined,
  }
  const ports = { store: workshop, queue, statuses, compiler: from.compiler, branch: 'main', repository }
  // Which branch the commit is on was decided when it was delivered.
  const forge = { ...gitForge(from.repository), head: async () => commit }
  const nobody = { pulls: NO_PULLS, reviews: NO_REVIEWS }
  await validate({ ...ports, ...nobody, forge, reader: nodePolicyReader() }, { stage: 'validate', commit })
  const valid = sent.pop()
  if (valid?.stage !== 'compile') throw refused(commit, posted.at(-1))
  await compile(ports, valid)
  const built = sent.pop()
  if (built?.stage !== 'sign') throw new Error('compile hands on to sign')
  const rebuilt = await getJson(workshop, built.artifact, Manifest)
  const parts = PARTS.map((part) => compare(part, published, rebuilt))
  return { artifact, commit, rebuilt: built.artifact, same: built.artifact === artifact, parts }
}

function compare(part: Part['part'], published: Manifest, rebuilt: Manifest): Part {
  const [before, after] = [(published[part] ?? null) as Json, (rebuilt[part] ?? null) as Json]
  return { part, same: canonicalJson(before) === canonicalJson(after), published: before, rebuilt: after }
}

function refused(commit: string, status: CommitStatus | undefined): Failure {
  const findings = status?.findings ?? []
  const detail = findings.map(({ file, line, column, message }) => `${file}:${line}:${column}: ${message}`)
  return new Failure('rebuild-differs', `this checkout refuses commit ${commit}`, { detail })
}

/** What the stages write, for as long as it takes. */
function memory(): ObjectStore {
  const objects = new Map<string, Uint8Array>()
  return {
    async get(key) {
      const bytes = objects.get(key)
      return bytes && { bytes, version: '' }
    },
    async create(key, bytes) {
      if (objects.has(key)) return 'exists'
      objects.set(key, bytes)
      return 'created'
    },
    async replace(key, bytes) {
      objects.set(key, bytes)
      return ''
    },
  }
}
