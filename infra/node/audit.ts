/**
 * Audit: from the programs that the kernel runs back to the commit and the
 * people, each link verified again. The first break is named.
 */
import { type Evidence, readBlob, readEvidence, sha256 } from '../../agent/cache.ts'
import type { Disk } from '../../agent/disk.ts'
import type { AttachedFacts, Kernel } from '../../agent/ports.ts'
import { tagsDiffer, tagsOf } from '../../agent/recognise.ts'
import type { State } from '../../agent/state.ts'
import { checkCodeDigests, checkProvenance } from '../../agent/trust/artifact.ts'
import { decode } from '../../agent/trust/content.ts'
import { checkLogged } from '../../agent/trust/logged.ts'
import { openMetadata, type TrustedMetadata } from '../../agent/trust/metadata.ts'
import { type Digest, Manifest } from '../../pipelines/contract/artifact.ts'
import { Failure } from '../../pipelines/contract/failures.ts'
import { LOG_TARGET } from '../../pipelines/contract/log.ts'
import {
  CodeTarget,
  codeTarget,
  type DelegatedRoleName,
  DISPATCHER_TARGET,
  hexOf,
  PolicyCustom,
  policyTarget,
  releaseTarget,
} from '../../pipelines/contract/object-keys.ts'
import type { Provenance } from '../../pipelines/contract/provenance.ts'
import { Release } from '../../pipelines/contract/release.ts'
import { type Chain, followChain, type Link, need } from '../audit/chain.ts'

export type AuditSubject = {
  ring: string
  pinnedRoot: string
  state: State
  disk: Disk
  kernel: Kernel
}

/** What the links so far have found. */
type Trail = {
  subject: AuditSubject
  facts?: AttachedFacts
  manifest?: Manifest
  elf?: Uint8Array
  evidence?: Evidence
  metadata?: TrustedMetadata
  provenance?: Provenance
}

const LINKS: [string, (trail: Trail) => Promise<Link['facts']> | Link['facts']][] = [
  ['attached programs', attached],
  ['active generation', active],
  ['artifact', artifact],
  ['program bytes', program],
  ['root of trust', root],
  ['code signature', code],
  ['dispatcher signature', dispatcher],
  ['policy signature', policy],
  ['provenance signature', provenance],
  ['log entry', logged],
  ['release signature', release],
  ['commit', commit],
]

export const audit = (subject: AuditSubject): Promise<Chain> => followChain(LINKS, { subject })

/** Changes of a node that an audit may fall into before it believes what it found. */
const MAX_CHANGES = 5

/**
 * The chain of a node whose agent may be at work: what was found broken while its state changed is looked
 * at again. `look` opens the node as it is by then.
 */
export async function auditAtRest(subject: AuditSubject, look: () => Promise<AuditSubject>): Promise<Chain> {
  for (let changes = 0, seen = subject; ; changes++) {
    const chain = await audit(seen)
    if (chain.broken === null || changes === MAX_CHANGES) return chain
    const now = await look()
    if (JSON.stringify(now.state) === JSON.stringify(seen.state)) return chain
    seen = now
  }
}

async function attached(trail: Trail) {
  const facts = await trail.subject.kernel.inspect()
  if (facts === null) throw differs('nothing of Heddle is attached')
  trail.facts = facts
  const { dispatcher, draining } = trail.subject.state
  if (facts.dispatcher !== dispatcher?.digest) {
    throw differs(`dispatcher ${facts.dispatcher ?? 'none'} enrols connections, not ${dispatcher?.digest}`)
  }
  const wrong = tagsDiffer(facts.hooks, dispatcher.tags)
  if (wrong !== undefined) throw differs(wrong)
  for (const { digest, hooks, sockets } of facts.draining) {
    const known = draining.find((each) => each.digest === digest)
    if (known === undefined) throw differs(`dispatcher ${digest} reads ${sockets} sockets, and is not known`)
    for (const [hook, { tag }] of Object.entries(hooks))
      if (known.tags[hook] !== tag) throw differs(`hook ${hook} of ${digest} runs ${tag}`)
  }
  return { hooks: brief(facts.hooks), draining: facts.draining }
}

function active(trail: Trail) {
  const { enforced, slots } = trail.subject.state
  const { active: now, slots: held } = need(trail.facts)
  if (now === null || enforced === null) throw differs('no generation is active')
  if (now.slot !== enforced.slot || now.generation !== enforced.generation) {
    throw differs(
      `generation ${now.generation} in slot ${now.slot} is not the one that the agent made active`,
    )
  }
  const slot = held.find((candidate) => candidate.slot === now.slot)
  if (slot === undefined) throw differs(`slot ${now.slot} is empty`)
  const tags = tagsOf(slot.programs)
  for (const [name, tag] of Object.entries(slots[now.slot]?.tags ?? {})) {
    if (tags[name] !== tag) throw differs(`program ${name} is ${tags[name] ?? 'gone'}, not ${tag}`)
  }
  return {
    slot: now.slot,
    generation: now.generation,
    programs: brief(slot.programs),
    tables: slot.tablesDigest,
  }
}

async function artifact(trail: Trail) {
  const { enforced } = trail.subject.state
  if (enforced === null) throw differs('no artifact is enforced')
  const bytes = await readBlob(trail.subject.disk, enforced.artifact)
  if (bytes === undefined)
    throw new Failure('artifact-missing', `the manifest of ${enforced.artifact} is not here`)
  trail.manifest = decode(bytes, Manifest, 'artifact-untrusted', 'manifest')
  const slot = need(trail.facts).slots.find((candidate) => candidate.slot === enforced.slot)
  if (slot?.tablesDigest !== trail.manifest.tables.digest) {
    throw differs(
      `the kernel reads tables ${slot?.tablesDigest}, the artifact has ${trail.manifest.tables.digest}`,
    )
  }
  return { digest: enforced.artifact, policies: trail.manifest.policies }
}

async function program(trail: Trail) {
  const { elf } = need(trail.manifest)
  const bytes = await readBlob(trail.subject.disk, elf.digest)
  if (bytes === undefined)
    throw new Failure('artifact-missing', `${elf.digest} is missing or changed on disk`)
  trail.elf = bytes
  return { digest: elf.digest, bytes: elf.bytes }
}

async function root(trail: Trail) {
  const { enforced } = trail.subject.state
  const evidence = enforced === null ? undefined : await readEvidence(trail.subject.disk, enforced.number)
  if (evidence === undefined)
    throw new Failure('artifact-missing', 'the evidence of this release is not here')
  trail.evidence = evidence
  trail.metadata = openMetadata(trail.subject.pinnedRoot, evidence.metadata)
  return { pinned: sha256(trail.subject.pinnedRoot), roles: Object.keys(evidence.metadata) }
}

function code(trail: Trail) {
  const manifest = need(trail.manifest)
  const bytes = listed(trail, 'code', codeTarget(manifest.code.variant), need(trail.evidence).code)
  const signed = decode(bytes, CodeTarget, 'code-untrusted', 'code target')
  checkCodeDigests(signed, { manifest, elf: need(trail.elf) })
  return { variant: signed.variant, digest: signed.digest }
}

async function dispatcher(trail: Trail) {
  const { dispatcher: installed, draining } = trail.subject.state
  if (installed === null) throw new Failure('artifact-missing', 'no dispatcher is known')
  for (const each of [installed, ...draining]) await signedDispatcher(trail, each)
  const drains = draining.map(({ digest, since }) => ({ digest, since: new Date(since).toISOString() }))
  return { digest: installed.digest, draining: drains }
}

/** It may be older than the release: a dispatcher stays as long as it has connections. */
async function signedDispatcher(trail: Trail, of: { digest: Digest; number: number }): Promise<void> {
  const evidence = await readEvidence(trail.subject.disk, of.number)
  if (evidence === undefined) {
    throw new Failure('artifact-missing', `the evidence of dispatcher ${of.digest} is not here`)
  }
  const metadata = openMetadata(trail.subject.pinnedRoot, evidence.metadata)
  if (metadata.target('code', DISPATCHER_TARGET)?.hashes['sha256'] !== hexOf(of.digest)) {
    throw new Failure('code-untrusted', `the installed dispatcher ${of.digest} is not the signed one`)
  }
}

function policy(trail: Trail) {
  const { enforced } = trail.subject.state
  const path = enforced === null ? '' : policyTarget(enforced.artifact)
  const target = need(trail.metadata).target('policy', path)
  if (target === undefined || enforced === null || target.hashes['sha256'] !== hexOf(enforced.artifact)) {
    throw new Failure('artifact-untrusted', `the builder has not signed ${path}`)
  }
  return { target: path }
}

function provenance(trail: Trail) {
  const { enforced } = trail.subject.state
  if (enforced === null) throw differs('no artifact is enforced')
  const envelope = Buffer.from(need(trail.evidence).provenance)
  const about = { artifact: enforced.artifact, manifest: need(trail.manifest) }
  trail.provenance = checkProvenance(need(trail.metadata), envelope, about)
  return { builder: trail.provenance.predicate.runDetails.builder.id, envelope: sha256(envelope) }
}

function logged(trail: Trail) {
  const { enforced } = trail.subject.state
  if (enforced === null) throw differs('no artifact is enforced')
  const { logged: shown } = need(trail.evidence)
  const named = need(trail.metadata).target('code', LOG_TARGET) !== undefined
  if (!named) return { log: null }
  if (shown === null) throw new Failure('artifact-unlogged', 'the evidence has no proof from the log')
  listed(trail, 'code', LOG_TARGET, shown.log)
  const custom = PolicyCustom.parse(
    need(trail.metadata).target('policy', policyTarget(enforced.artifact))?.custom,
  )
  const { origin, size } = checkLogged(shown, { artifact: enforced.artifact, custom })
  return { log: origin, size }
}

function release(trail: Trail) {
  const { state, ring } = trail.subject
  const bytes = listed(trail, 'release', releaseTarget(ring), need(trail.evidence).release)
  const signed = decode(bytes, Release, 'artifact-untrusted', 'release')
  const { enforced } = state
  if (signed.ring !== ring || signed.number !== enforced?.number || signed.artifact !== enforced.artifact) {
    throw new Failure(
      'artifact-untrusted',
      `release ${signed.number} of ring ${signed.ring} names ${signed.artifact}`,
    )
  }
  return { ring, number: signed.number, rollout: signed.rollout }
}

function commit(trail: Trail) {
  const { source } = need(trail.manifest)
  const { buildDefinition } = need(trail.provenance).predicate
  return { ...source, review: buildDefinition.internalParameters?.review ?? null }
}

/** Bytes that the role lists under this path by their digest. */
function listed(trail: Trail, role: DelegatedRoleName, path: string, text: string): Uint8Array {
  const bytes = Buffer.from(text)
  const signed = need(trail.metadata).target(role, path)?.hashes['sha256']
  if (signed !== hexOf(sha256(bytes))) {
    throw new Failure(
      role === 'code' ? 'code-untrusted' : 'artifact-untrusted',
      `${path} is not what ${role} signed`,
    )
  }
  return bytes
}

/** What names a program: its id now, and the kernel's hash of its instructions. */
function brief(programs: Record<string, { id: number; tag: string }>) {
  return Object.fromEntries(Object.entries(programs).map(([name, { id, tag }]) => [name, { id, tag }]))
}

function differs(why: string): Failure {
  return new Failure('attached-differs', why)
}
