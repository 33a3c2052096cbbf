/** `heddle.dev/v1 MeshPolicy`: one document → a policy or a route of the model, or findings. */
import type { ServiceBreaker } from '../../policy/breaker.ts'
import type { Policy } from '../../policy/model.ts'
import type { Route } from '../../policy/route.ts'
import { ANNOTATIONS, annotationsOf, UNPARSED } from '../annotations.ts'
import { type Finding, problem } from '../finding.ts'
import { DEFAULT_NAMESPACE, type Metadata } from '../objects.ts'
import { type Reader, readerOf } from '../reader.ts'
import type { References } from '../routes/references.ts'
import { schemaFindings } from '../schema-findings.ts'
import { subjectSelector } from '../selectors.ts'
import { nodeAt, placeOf, plainValue, type SourceNode } from '../source-node.ts'
import { formOf, type SubjectSpec } from './forms.ts'
import { pathRefusals, warnOfOtherWords } from './paths.ts'
import { breakerOf } from './breakers.ts'
import { routesOf, serviceOf } from './routes.ts'
import { rulesOf } from './rules.ts'
import { FIELDS, MeshPolicy } from './schema.ts'

const GROUP = 'heddle.dev'
const VERSION = `${GROUP}/v1`
const KIND = 'MeshPolicy'
const LABELS = 'write labels under matchLabels, one level deeper'

const VOCABULARY = {
  fields: FIELDS,
  unsupported: {},
  inside: { subject: LABELS, labels: LABELS },
  schema: 'pipelines/languages/mesh/reference.gen.md',
}

function text(root: SourceNode, field: string): string {
  const node = root.kind === 'map' ? nodeAt(root, [field]) : root
  return node.kind === 'scalar' ? String(node.value) : ''
}

/** Is the document of Heddle's own group, whatever its kind? */
export function isMeshDocument(root: SourceNode): boolean {
  return root.kind === 'map' && text(root, 'apiVersion').split('/')[0] === GROUP
}

function wrongKind(root: SourceNode): Finding | undefined {
  const [version, kind] = [text(root, 'apiVersion'), text(root, 'kind')]
  if (version === VERSION && kind === KIND) return undefined
  const at = placeOf(root, [kind === KIND ? 'apiVersion' : 'kind'])
  const message = kind === '' ? `${version} without kind` : `${version} ${kind} is not supported`
  return problem(
    at,
    'unsupported-kind',
    message,
    `write apiVersion: ${VERSION} and kind: ${KIND} or PolicyTest`,
  )
}

/** What others say by annotation is a field here: said twice, one of both would be ignored. */
function checkUnparsed(reader: Reader, annotations: Record<string, string>): void {
  if (annotations[UNPARSED] === undefined) return
  const message = `\`${UNPARSED}\` is a field of a ${KIND}, no annotation`
  const hint = 'write unparsed: pass (or refuse) under spec'
  reader.refuse([...ANNOTATIONS, UNPARSED], 'unknown-field', message, hint)
}

function policyOf(reader: Reader, metadata: Metadata, spec: SubjectSpec): Policy {
  const { name, namespace = DEFAULT_NAMESPACE, annotations = {} } = metadata
  checkUnparsed(reader, annotations)
  const { allow, deny, limits, audits, mirrors } = rulesOf(reader, spec.rules, namespace)
  if (spec.unparsed !== undefined && ![...allow, ...deny, ...limits].some(({ http }) => http !== null)) {
    const message = '`unparsed` changes nothing: no rule has a match'
    reader.warn(['spec', 'unparsed'], message, 'remove it: what no rule reads is not parsed')
  }
  warnOfOtherWords(reader, spec)
  const policy: Policy = {
    name,
    namespace,
    source: reader.place(['spec']),
    subject: subjectSelector(reader, spec.subject, ['spec', 'subject'], namespace),
    unparsed: spec.unparsed ?? 'refuse',
    // Denials alone take nothing away from what others allow, and allow what nobody speaks of.
    selects: allow.length > 0,
    allow,
    deny,
    ...(limits.length === 0 ? {} : { limits }),
    ...(audits.length === 0 ? {} : { audits }),
    ...(mirrors.length === 0 ? {} : { mirrors }),
    ...annotationsOf(reader, annotations, [UNPARSED]),
  }
  return { ...policy, deny: [...deny, ...pathRefusals(reader, spec.paths, policy)] }
}

/** Our own annotations speak of a subject: of a service each would be ignored. */
function checkOwn(reader: Reader, annotations: Record<string, string>): void {
  for (const key of Object.keys(annotations)) {
    if (!key.startsWith(`${GROUP}/`)) continue
    const hint = 'remove it, or write it on the policy of the subject'
    reader.refuse([...ANNOTATIONS, key], 'unknown-field', `\`${key}\` on a policy of a service`, hint)
  }
}

/** What one document says. */
type Said = { policies: Policy[]; routes: Route[]; breakers: ServiceBreaker[] }
const NOTHING: Said = { policies: [], routes: [], breakers: [] }

function saidBy(reader: Reader, { metadata, spec }: MeshPolicy, references: References): Said {
  const form = formOf(reader, spec)
  if (form === undefined) return NOTHING
  if ('subject' in form) return { ...NOTHING, policies: [policyOf(reader, metadata, form.subject)] }
  const { name, namespace = DEFAULT_NAMESPACE, annotations = {} } = metadata
  checkOwn(reader, annotations)
  const { service, breaker } = form.service
  const front = serviceOf(reader, service, { name, namespace, references })
  const routes = routesOf(reader, form.service, { name, namespace, references, front })
  const breakers = breaker && front ? [breakerOf(reader, breaker, { name, namespace, service: front })] : []
  return { policies: [], routes, breakers }
}

/** Read one document of the group. What it says is there only when no finding is an error. */
export function readMeshDocument(root: SourceNode, references: References): Said & { findings: Finding[] } {
  const foreign = wrongKind(root)
  if (foreign !== undefined) return { ...NOTHING, findings: [foreign] }
  const parsed = MeshPolicy.safeParse(plainValue(root))
  if (!parsed.success) return { ...NOTHING, findings: schemaFindings(root, parsed.error, VOCABULARY) }
  const reader = readerOf(root)
  const said = saidBy(reader, parsed.data, references)
  const refused = reader.findings.some(({ severity }) => severity === 'error')
  return { ...(refused ? NOTHING : said), findings: reader.findings }
}
