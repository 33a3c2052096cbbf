/** Compile: a validated policy set → ELF and manifest, as blobs. Nothing is signed yet. */
import { type Manifest, Manifest as ManifestSchema } from '../../pipelines/contract/artifact.ts'
import { canonicalJson } from '../../pipelines/contract/canonical-json.ts'
import type { EventOf } from '../../pipelines/contract/events.ts'
import { Validated } from '../../pipelines/contract/validated.ts'
import { auditId } from '../../pipelines/policy/audit.ts'
import type { Policy } from '../../pipelines/policy/model.ts'
import { getJson, putBlob, putJson } from '../blobs.ts'
import type { Compiler, ObjectStore, Queue, Statuses } from '../ports.ts'
import { statusOf } from '../statuses.ts'

export type CompilePorts = { store: ObjectStore; queue: Queue; statuses: Statuses; compiler: Compiler }

/** Throws Failure('limit-exceeded' | 'compiler-failed' | 'work-interrupted' | 'store-unavailable'). */
export async function compile(ports: CompilePorts, event: EventOf<'compile'>): Promise<void> {
  const { set, source } = await getJson(ports.store, event.validated, Validated)
  const { elf, ...parts } = await ports.compiler.compile(set)
  const manifest: Manifest = ManifestSchema.parse({
    schema: 'heddle.artifact/1',
    ...parts,
    elf: { digest: await putBlob(ports.store, elf), bytes: elf.length },
    intents: intentsOf(set.policies),
    ...auditsOf(set.policies),
    policies: [...set.policies, ...set.routes, ...(set.breakers ?? [])].map(
      ({ namespace, name, source: { file } }) => ({
        namespace,
        name,
        file,
      }),
    ),
    source,
  } satisfies Manifest)
  const artifact = await putJson(ports.store, manifest)
  const description = `compiled to ${elf.length} bytes, ${parts.tables.words} words of tables`
  await ports.statuses.post(event.commit, statusOf('pending', 'compiled', description, { artifact }))
  await ports.queue.send({ stage: 'sign', commit: event.commit, validated: event.validated, artifact })
}

/** An artifact without any has the bytes that it had before there were audits. */
function auditsOf(policies: readonly Policy[]): Pick<Manifest, 'audits'> {
  const audits = policies.flatMap(({ namespace, name: policy, audits: rules = [] }) =>
    rules.map(({ name: rule, reason }) => ({
      id: String(auditId({ namespace, policy, rule })),
      ...{ namespace, policy, rule },
      ...(reason === undefined ? {} : { reason }),
    })),
  )
  return audits.length === 0 ? {} : { audits }
}

/** Each once, in the order of the policies. */
function intentsOf(policies: readonly Policy[]): Manifest['intents'] {
  const all = policies.flatMap(({ refuses = [] }) => refuses)
  return [...new Map(all.map((intent) => [canonicalJson(intent), intent])).values()]
}
