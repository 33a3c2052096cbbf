/** What the audit rules of this node saw, for people. `heddle node stats --json` has it as data. */
import { fileWorkloads } from '../../agent/adapters/file-workloads.ts'
import { countedBy } from '../../agent/audits.ts'
import { readManifest } from '../../agent/cache.ts'
import type { AuditSample } from '../../agent/ports.ts'
import { destinationOf, type Known, namesOf, sourceOf, verdict } from '../../agent/shadow-report.ts'
import type { AuditReport, ShadowSample } from '../../pipelines/contract/release.ts'
import type { Subject } from './subject.ts'

type Seen = Pick<ShadowSample, 'at' | 'source' | 'destination' | 'request'> & {
  verdict: ShadowSample['active']
}
export type AuditView = AuditReport & { reason: string | null; samples: Seen[] }

/** Samples of a rule that are shown; there may be as many for each generation. */
const SHOWN = 8

/** Each audit rule of what is enforced. Of workloads only this node's own are told by name. */
export async function viewAudits({ kernel, state, disk, workloadsFile }: Subject): Promise<AuditView[]> {
  if (state.enforced === null) return []
  const { audits = [] } = await readManifest(disk, state.enforced.artifact)
  if (audits.length === 0) return []
  const [counted, samples] = [await kernel.audits.counts(), await kernel.audits.samples()]
  const names = namesOf(await fileWorkloads(workloadsFile).list())
  const known = { names, identities: state.identities, now: Date.now() }
  return audits.map((entry) => ({
    ...countedBy(entry, counted),
    reason: entry.reason ?? null,
    samples: (samples.get(entry.id) ?? []).slice(0, SHOWN).map((sample) => inWords(sample, known)),
  }))
}

function inWords({ agoMs, source, destination, request, verdict: said }: AuditSample, known: Known): Seen {
  return {
    at: new Date(known.now - agoMs).toISOString(),
    source: sourceOf(source, known),
    destination: destinationOf(destination, known),
    request,
    verdict: verdict(said),
  }
}

export function auditsText(audits: readonly AuditView[]): string {
  const lines = audits.flatMap(({ namespace, policy, rule, reason, allowed, refused, unread, samples }) => [
    `audit     ${namespace}/${policy} ${rule}${reason === null ? '' : ` (${reason})`}`,
    `          ${allowed} allowed, ${refused} refused${unread === 0 ? '' : `, ${unread} that can't be read`}`,
    ...samples.map(sampleText),
  ])
  return lines.map((line) => `${line}\n`).join('')
}

function sampleText({
  at,
  source,
  destination,
  request,
  verdict: { allowed, reason, status },
}: Seen): string {
  const what = request === null ? 'a head that came in pieces' : `${request.method} ${request.path}`
  const end = allowed ? 'allowed' : `${reason}${status === null ? '' : ` ${status}`}`
  return `          ${at} ${what} from ${source} to ${destination}: ${end}`
}
