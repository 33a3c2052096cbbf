/** Validate: a commit's policy files → one policy set, or findings for the people who pushed. */
import type { Digest } from '../../pipelines/contract/artifact.ts'
import { MAX_FINDINGS } from '../../pipelines/contract/commit-status.ts'
import type { EventOf } from '../../pipelines/contract/events.ts'
import { putJson } from '../blobs.ts'
import type { Forge, ObjectStore, PolicyReader, Pulls, Queue, Reviews, Statuses } from '../ports.ts'
import { statusOf } from '../statuses.ts'
import { sha256Hex } from '../trust/metadata.ts'
import { checkPull } from './check-pull.ts'
import { deliveredHead, rememberHead, replacedBy } from './delivered-head.ts'
import { readCommit } from './read-commit.ts'

export type ValidatePorts = {
  forge: Forge
  pulls: Pulls
  reviews: Reviews
  reader: PolicyReader
  statuses: Statuses
  store: ObjectStore
  queue: Queue
  repository: string
  branch: string
}

/** Throws Failure('limit-exceeded' | 'forge-unavailable' | 'store-unavailable' | 'compiler-failed' | 'work-interrupted'). */
export async function validate(ports: ValidatePorts, event: EventOf<'validate'>): Promise<void> {
  const { commit, pull } = event
  if (pull !== undefined) return checkPull(ports, { commit, pull })
  const head = await ports.forge.head(ports.branch)
  if (head === undefined || (head !== commit && !(await ports.forge.contains(head, commit)))) {
    await ports.statuses.post(commit, statusOf('failure', 'superseded', 'no longer on the branch'))
    return
  }
  const { files, author, committed } = await ports.forge.read(commit)
  const { set, findings } = await readCommit(ports.reader, files)
  const delivered = await deliveredHead(ports.store)
  const replaces = head === commit ? await replacedBy(ports.forge, commit, delivered.commit) : undefined
  const listed = {
    findings: findings.slice(0, MAX_FINDINGS),
    ...(replaces === undefined ? {} : { replaces }),
  }
  if (set === undefined) {
    const errors = findings.filter(({ severity }) => severity === 'error').length
    const description = `${errors} ${errors === 1 ? 'error' : 'errors'}; nothing is published, nodes keep what they run`
    await ports.statuses.post(commit, statusOf('failure', 'refused', description, listed))
    return
  }
  const review = await ports.reviews.review(commit, ports.branch)
  const validated = await putJson(ports.store, {
    schema: 'heddle.validated/1',
    set,
    ...(review === undefined ? {} : { review }),
    source: { repository: ports.repository, commit, author, committed },
    materials: files.map(({ path, bytes }) => ({
      path,
      digest: `sha256:${sha256Hex(bytes)}` satisfies Digest,
    })),
  })
  const description = `${set.policies.length + set.routes.length} policies are valid`
  await ports.statuses.post(commit, statusOf('pending', 'validated', description, listed))
  await ports.queue.send({ stage: 'compile', commit, validated })
  // Last: who died before is asked again, and says again what this one replaces.
  if (head === commit) await rememberHead(ports.store, commit, delivered)
}
