/** What a candidate found beside what this node enforces, for people. `heddle node stats --json` has it as data. */
import { fileWorkloads } from '../../agent/adapters/file-workloads.ts'
import { readManifest } from '../../agent/cache.ts'
import { shadowIn } from '../../agent/shadow-report.ts'
import type { ShadowReport, ShadowSample } from '../../pipelines/contract/release.ts'
import type { Subject } from './subject.ts'

/** Null = no candidate looks on. Of workloads only this node's own are told by name. */
export async function viewShadow({
  kernel,
  state,
  disk,
  workloadsFile,
}: Subject): Promise<ShadowReport | null> {
  if (state.shadow === null) return null
  const workloads = await fileWorkloads(workloadsFile).list()
  const { intents } = await readManifest(disk, state.shadow.artifact)
  return shadowIn({ facts: await kernel.shadow.read(), state, intents, workloads, now: Date.now() })
}

export function shadowText(shadow: ShadowReport): string {
  const { artifact, agree, newDenies, newAllows, other, unseen } = shadow
  const lines = [
    `shadow    ${artifact} beside ${shadow.beside}`,
    `          ${newDenies} new denies, ${newAllows} new allows, ${other} refused otherwise, ${agree} the same`,
    ...(unseen === 0 ? [] : [`          ${unseen} that it did not see`]),
    ...shadow.samples.map(sampleText),
  ]
  return lines.map((line) => `${line}\n`).join('')
}

function sampleText({ kind, at, source, destination, protocol, request, ...said }: ShadowSample): string {
  const what = request === null ? protocol : `${request.method} ${request.path}`
  const { active, candidate } = said
  return `          ${at} ${kind}: ${what} from ${source} to ${destination}: ${verdict(active)}, the candidate ${verdict(candidate)}`
}

const verdict = ({ reason, status }: ShadowSample['active']) =>
  status === null ? reason : `${reason} ${status}`
