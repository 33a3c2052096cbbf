/** What audit rules counted, in the words of the policies; and room for the counts of those to come. */
import { Limit } from '../bpf/abi/heddle.gen.ts'
import type { AuditEntry } from '../pipelines/contract/artifact.ts'
import type { AuditReport } from '../pipelines/contract/release.ts'
import { readManifest } from './cache.ts'
import type { Node } from './node.ts'
import type { AuditCounts } from './ports.ts'

/** Rules of the artifact that is enforced, with what they saw under it and those before it. */
export async function auditReport(node: Node): Promise<AuditReport[]> {
  const { enforced } = node.state.current
  if (enforced === null) return []
  const counted = await node.kernel.audits.counts()
  if (counted.size === 0) return []
  const { audits = [] } = await readManifest(node.disk, enforced.artifact)
  return audits.map((entry) => countedBy(entry, counted))
}

/** A rule that has seen nothing yet has counted none. */
export function countedBy(
  { id, namespace, policy, rule }: AuditEntry,
  counted: ReadonlyMap<string, AuditCounts>,
): AuditReport {
  return { namespace, policy, rule, ...(counted.get(id) ?? { allowed: 0, refused: 0, unread: 0 }) }
}

/**
 * Where half of the room is taken, counts of rules that no generation has which is still loaded are forgotten.
 * Till then they are kept: a rollback to such a rule finds them.
 */
export async function makeRoom(node: Node): Promise<void> {
  if ((await node.kernel.audits.counts()).size <= Limit.MAX_AUDITED / 2) return
  const artifacts = new Set(Object.values(node.state.current.slots).map(({ artifact }) => artifact))
  const manifests = await Promise.all([...artifacts].map((artifact) => readManifest(node.disk, artifact)))
  await node.kernel.audits.keep(new Set(manifests.flatMap(({ audits = [] }) => audits.map(({ id }) => id))))
}
