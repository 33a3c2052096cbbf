/** What a shadow found, in the words of the fleet: workloads for addresses, dates for moments. */
import type { ShadowReport, ShadowSample as Sample } from '../pipelines/contract/release.ts'
import { MAX_SHADOW_SAMPLES } from '../pipelines/contract/release.ts'
import type { Workload } from '../pipelines/policy/model.ts'
import { type Intents, isIntended } from '../pipelines/policy/intents.ts'
import { readManifest } from './cache.ts'
import { knownWorkloads } from './known-workloads.ts'
import type { Node } from './node.ts'
import type { KernelVerdict, ShadowFacts, ShadowSample } from './ports.ts'
import type { IdentityEntry, State } from './state.ts'

const KINDS = ['new-deny', 'new-allow', 'other'] as const
/** IPPROTO_*. */
const PROTOCOLS: Readonly<Record<number, string>> = { 6: 'TCP', 17: 'UDP', 132: 'SCTP' }

export async function shadowReport(node: Node): Promise<ShadowReport | null> {
  const { current: state } = node.state
  if (state.shadow === null) return null
  const known = knownWorkloads(await node.workloads.list(), await node.registry.list())
  const facts = await node.kernel.shadow.read()
  const { intents } = await readManifest(node.disk, state.shadow.artifact)
  const workloads = [...known.own, ...known.announced]
  return shadowIn({ facts, state, intents, workloads, now: node.clock.now() })
}

/** Null = no candidate is asked, or by another generation than the one that is enforced. `now` of the node's clock. */
export function shadowIn(look: {
  facts: ShadowFacts | null
  state: State
  /** What the candidate's policies mean to refuse. */
  intents: Intents
  workloads: readonly Workload[]
  now: number
}): ShadowReport | null {
  const { facts, state, intents, workloads, now } = look
  const { enforced, shadow, identities } = state
  if (shadow === null || enforced === null) return null
  if (facts?.active !== enforced.slot || facts.candidate !== shadow.slot) return null
  const names = namesOf(workloads)
  return {
    number: shadow.number,
    artifact: shadow.artifact,
    beside: enforced.artifact,
    ...facts.counts,
    unintended: unintendedOf(facts, intents),
    samples: chosen(facts.samples).map((sample) => inWords(sample, { names, identities, now })),
  }
}

/** What is not kept of new denies is taken to be like what is. */
function unintendedOf({ counts, samples }: ShadowFacts, intents: Intents): number {
  const denies = samples.filter(({ kind }) => kind === 'new-deny')
  if (denies.length === 0) return counts.newDenies
  const strange = denies.filter(({ request }) => request === null || !isIntended(intents, request))
  return Math.ceil((counts.newDenies * strange.length) / denies.length)
}

/** The newest of each kind in turn: where one is frequent, the rare one is what is looked for. */
function chosen(samples: readonly ShadowSample[]): ShadowSample[] {
  const kinds = KINDS.map((kind) => samples.filter((sample) => sample.kind === kind))
  const rounds = Math.max(...kinds.map(({ length }) => length))
  const inTurn = Array.from({ length: rounds }, (_, round) => kinds.map((kind) => kind[round])).flat()
  return inTurn.filter((sample) => sample !== undefined).slice(0, MAX_SHADOW_SAMPLES)
}

export function namesOf(workloads: readonly Workload[]): Map<string, string> {
  return new Map(
    workloads.flatMap(({ namespace, name, addresses }) =>
      addresses.map((address) => [address, `${namespace}/${name}`] as const),
    ),
  )
}

export type Known = { names: ReadonlyMap<string, string>; identities: readonly IdentityEntry[]; now: number }

/** A client of this node is told by its labels: what it is, not which of its processes. */
export function sourceOf(
  { address, identity }: ShadowSample['source'],
  { names, identities }: Known,
): string {
  if (identity === null) return `${names.get(address) ?? 'world'} (${address})`
  const known = identities.find(({ number }) => number === identity)
  const labels = Object.entries(known?.labels ?? {}).map(([key, value]) => `${key}=${value}`)
  return `${known?.namespace ?? 'identity'}/${known === undefined ? identity : labels.join(',')} (this node)`
}

export function destinationOf({ address, port }: ShadowSample['destination'], { names }: Known): string {
  return `${names.get(address) ?? 'world'} (${address}) port ${port}`
}

function inWords(sample: ShadowSample, known: Known): Sample {
  const { kind, agoMs, source, destination, protocol, request, active, candidate } = sample
  return {
    kind,
    at: new Date(known.now - agoMs).toISOString(),
    source: sourceOf(source, known),
    destination: destinationOf(destination, known),
    protocol: PROTOCOLS[protocol] ?? `protocol ${protocol}`,
    request,
    active: verdict(active),
    candidate: verdict(candidate),
  }
}

export function verdict({ allowed, reason, status }: KernelVerdict): Sample['active'] {
  return { allowed, reason, status: status === 0 ? null : status }
}
