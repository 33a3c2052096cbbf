/**
 * Check a pull request: the same judgement, over files that anybody may have written. Nothing of them
 * is run, no secret is near, and what comes out goes to plan, never to compile: a fork can't publish.
 */
import { MAX_FINDINGS } from '../../pipelines/contract/commit-status.ts'
import type { Checked } from '../../pipelines/contract/validated.ts'
import { putJson } from '../blobs.ts'
import type { Forge, ObjectStore, PolicyReader, Pulls, Queue } from '../ports.ts'
import { readCommit } from './read-commit.ts'

type CheckPorts = {
  forge: Forge
  pulls: Pulls
  reader: PolicyReader
  store: ObjectStore
  queue: Queue
  branch: string
}

/** Does nothing for a head that the pull request has left behind: its successor has an event of its own. */
export async function checkPull(
  ports: CheckPorts,
  { commit, pull }: { commit: string; pull: number },
): Promise<void> {
  const now = await ports.pulls.pull(pull)
  if (now === undefined || !now.open || now.commit !== commit || now.branch !== ports.branch) return
  const { files } = await ports.forge.read(commit)
  const { set, findings } = await readCommit(ports.reader, files)
  const checked = await putJson(ports.store, {
    schema: 'heddle.checked/1',
    set: set ?? null,
    findings: findings.slice(0, MAX_FINDINGS),
    base: set === undefined ? null : await baseOf(ports, commit),
  } satisfies Checked)
  await ports.queue.send({ stage: 'plan', commit, pull, checked })
}

/** Where it left the branch: what the branch has got since is not the pull request's doing. */
async function baseOf(ports: CheckPorts, commit: string): Promise<Checked['base']> {
  const head = await ports.forge.head(ports.branch)
  const base = head === undefined ? undefined : await ports.pulls.base(head, commit)
  if (base === undefined) return null
  const { files } = await ports.forge.read(base)
  const { set } = await readCommit(ports.reader, files)
  return { commit: base, set: set ?? null, behind: base !== head }
}
