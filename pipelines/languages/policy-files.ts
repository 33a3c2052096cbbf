/** Files of one commit → one policy set, or everything that stands in the way. */
import type { ServiceBreaker } from '../policy/breaker.ts'
import type { Policy, PolicySet } from '../policy/model.ts'
import type { PolicyCase } from '../policy/policy-case.ts'
import type { Route } from '../policy/route.ts'
import type { Source } from '../policy/source.ts'
import { namespacesOf, TENANTS_FILE, Tenants } from '../policy/tenancy.ts'
import { readCiliumDocument } from './cilium/policy.ts'
import { type Finding, inReadingOrder, problem } from './finding.ts'
import { gatewayKind, type Named, otherKind, readReference, referencesOf } from './gateway/documents.ts'
import { readRoute } from './gateway/route.ts'
import { secondBreakers } from './mesh/breakers.ts'
import { isMeshDocument, readMeshDocument } from './mesh/policy.ts'
import { schemaFindings } from './schema-findings.ts'
import { plainValue, type SourceNode } from './source-node.ts'
import { isPolicyTest, readPolicyTest } from './tests/policy-test.ts'

/** A file whose text was read: its documents, empty ones left out. */
export type PolicyFile = { path: string; documents: SourceNode[] }

/**
 * Policy objects of one commit, each of `specs` and each Service of a route counted. The manifest
 * that names them all stays far below what an agent reads of one (8 MiB), and a fleet with more has
 * split its repository long ago.
 */
export const MAX_POLICIES = 16_384

/** Cases of one commit: beside as many policies as there may be, each asked 4,096 times, 20 s of work. */
export const MAX_CASES = 4096

/** A set with warnings at most and cases that are to hold, or findings of which one at least is an error. */
export type Loaded = { set: PolicySet; cases: PolicyCase[]; warnings: Finding[] } | { findings: Finding[] }

function readTenants(file: PolicyFile | undefined, findings: Finding[]): Tenants | undefined {
  if (file === undefined) return undefined
  const [root, second] = file.documents
  const extra = root === undefined ? { file: file.path, line: 1, column: 1 } : second?.at
  if (root === undefined || extra !== undefined) {
    const hint = 'write tenants: [{path: …, namespaces: […]}]'
    findings.push(problem(extra as Source, 'schema-violation', `${TENANTS_FILE} is one document`, hint))
    return undefined
  }
  const parsed = Tenants.safeParse(plainValue(root))
  if (parsed.success) return parsed.data
  const fields = ['tenants', 'path', 'namespaces']
  const schema = 'pipelines/policy/tenancy.ts'
  findings.push(...schemaFindings(root, parsed.error, { fields, unsupported: {}, schema }))
  return undefined
}

/** Refuse what a path may not say. */
function checkTenancy(tenants: Tenants | undefined, object: Named, findings: Finding[]): void {
  const allowed = namespacesOf(tenants, object.source.file)
  if (allowed === null || allowed.includes(object.namespace)) return
  const message = `${object.source.file} may not speak for namespace \`${object.namespace}\``
  const hint =
    allowed.length === 0
      ? `no path of ${TENANTS_FILE} fits this file`
      : `here ${TENANTS_FILE} allows: ${allowed.join(', ')}`
  findings.push(problem(object.source, 'tenancy-violation', message, hint))
}

/** One object has one place. Policies of one document (`specs`), and routes of one, share a name. */
function checkNames(seen: Map<string, Source>, object: Named, root: Source, findings: Finding[]): void {
  const key = `${object.kind} ${object.namespace}/${object.name}`
  const first = seen.get(key)
  if (first === undefined) seen.set(key, root)
  else if (first !== root) {
    const message = `${key} is already at ${first.file}:${first.line}`
    findings.push(problem(object.source, 'duplicate-policy', message, 'give it another name, or remove one'))
  }
}

function tooMany(at: Source): Finding {
  const message = `more than ${MAX_POLICIES} policy objects, this one among them`
  return problem(
    at,
    'limit-exceeded',
    message,
    'put rules of one subject into one policy, or split the repository',
  )
}

function tooManyCases(at: Source): Finding {
  const message = `more than ${MAX_CASES} cases, some of these among them`
  return problem(at, 'limit-exceeded', message, 'remove cases that others imply, or split the repository')
}

/** What documents say, and the objects that they are, told apart by kind. */
type Reading = {
  policies: Policy[]
  routes: Route[]
  breakers: ServiceBreaker[]
  cases: PolicyCase[]
  findings: Finding[]
}
type Found = (object: Named, root: SourceNode) => void

const named = (kind: string, { namespace, name, source }: Omit<Named, 'kind'>): Named => {
  return { kind, namespace, name, source }
}

function readCases(root: SourceNode, reading: Reading, found: Found): void {
  const { cases, speaksFor, findings } = readPolicyTest(root)
  reading.findings.push(...findings)
  reading.cases.push(...cases)
  for (const each of speaksFor) found({ kind: 'PolicyTest', ...each, source: root.at }, root)
}

/** Routes come behind all else: what they refer to may stand in any file. */
function read(roots: readonly SourceNode[], reading: Reading, found: Found): Finding | undefined {
  const references = roots.flatMap((root) => {
    const kind = gatewayKind(root)
    if (kind !== 'Service' && kind !== 'ReferenceGrant') return []
    const reference = readReference(root, kind)
    reading.findings.push(...reference.findings)
    if (reference.read !== undefined) found(reference.read.named, root)
    return [reference]
  })
  const known = referencesOf(references, false)
  for (const root of roots) {
    const kind = gatewayKind(root)
    if (kind === 'other') reading.findings.push(otherKind(root))
    if (kind === 'HTTPRoute') {
      const { routes, findings } = readRoute(root, known)
      reading.findings.push(...findings)
      for (const route of routes) found(named(kind, route), root)
      reading.routes.push(...routes)
    }
    if (isPolicyTest(root)) readCases(root, reading, found)
    else if (kind === undefined) {
      const { policies, findings, routes, breakers } = isMeshDocument(root)
        ? readMeshDocument(root, known)
        : { ...readCiliumDocument(root), routes: [], breakers: [] }
      reading.findings.push(...findings)
      for (const said of [...policies, ...routes, ...breakers]) found(named('policy', said), root)
      reading.policies.push(...policies)
      reading.routes.push(...routes)
      reading.breakers.push(...breakers)
    }
    if (reading.policies.length + reading.routes.length + reading.breakers.length > MAX_POLICIES)
      return tooMany(root.at)
    if (reading.cases.length > MAX_CASES) return tooManyCases(root.at)
  }
  return undefined
}

/** Read all files of a commit; `tenants.yaml` among them, when there, says who may speak where. */
export function readPolicyFiles(files: PolicyFile[]): Loaded {
  const reading: Reading = { policies: [], routes: [], breakers: [], cases: [], findings: [] }
  const ordered = [...files].sort((left, right) => (left.path < right.path ? -1 : 1))
  const tenants = readTenants(
    ordered.find(({ path }) => path === TENANTS_FILE),
    reading.findings,
  )
  const seen = new Map<string, Source>()
  const found: Found = (object, root) => {
    checkTenancy(tenants, object, reading.findings)
    checkNames(seen, object, root.at, reading.findings)
  }
  const roots = ordered.filter(({ path }) => path !== TENANTS_FILE).flatMap(({ documents }) => documents)
  const limit = read(roots, reading, found)
  if (limit !== undefined) return { findings: [limit] }
  reading.findings.push(...secondBreakers(reading.breakers))
  const { policies, routes, breakers, cases, findings } = reading
  const refused = findings.some(({ severity }) => severity === 'error')
  const sorted = inReadingOrder(findings)
  return refused
    ? { findings: sorted }
    : { set: { policies, routes, ...(breakers.length > 0 && { breakers }) }, cases, warnings: sorted }
}
