/** Files of one commit → one policy set, or everything that stands in the way. */
import type { Policy, PolicySet } from '../policy/model.ts'
import type { Source } from '../policy/source.ts'
import { namespacesOf, TENANTS_FILE, Tenants } from '../policy/tenancy.ts'
import { readCiliumDocument } from './cilium/policy.ts'
import { type Finding, inReadingOrder, problem } from './finding.ts'
import { schemaFindings } from './schema-findings.ts'
import { plainValue, type SourceNode } from './source-node.ts'

/** A file whose text was read: its documents, empty ones left out. */
export type PolicyFile = { path: string; documents: SourceNode[] }

/**
 * Policy objects of one commit, each of `specs` counted. The manifest that names them all stays far
 * below what an agent reads of one (8 MiB), and a fleet with more has split its repository long ago.
 */
export const MAX_POLICIES = 16_384

/** A set with warnings at most, or findings of which one at least is an error. */
export type Loaded = { set: PolicySet; warnings: Finding[] } | { findings: Finding[] }

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
  findings.push(...schemaFindings(root, parsed.error, { fields, unsupported: {} }))
  return undefined
}

/** Refuse what a path may not say. */
function checkTenancy(tenants: Tenants | undefined, policy: Policy, findings: Finding[]): void {
  const allowed = namespacesOf(tenants, policy.source.file)
  if (allowed === null || allowed.includes(policy.namespace)) return
  const message = `${policy.source.file} may not speak for namespace \`${policy.namespace}\``
  const hint =
    allowed.length === 0
      ? `no path of ${TENANTS_FILE} fits this file`
      : `here ${TENANTS_FILE} allows: ${allowed.join(', ')}`
  findings.push(problem(policy.source, 'tenancy-violation', message, hint))
}

/** One object has one place. Policies of one document (`specs`) share a name. */
function checkNames(seen: Map<string, Source>, policy: Policy, root: Source, findings: Finding[]): void {
  const key = `${policy.namespace}/${policy.name}`
  const first = seen.get(key)
  if (first === undefined) seen.set(key, root)
  else if (first !== root) {
    const message = `policy ${key} is already at ${first.file}:${first.line}`
    findings.push(problem(policy.source, 'duplicate-policy', message, 'give it another name, or remove one'))
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

/** Read all files of a commit; `tenants.yaml` among them, when there, says who may speak where. */
export function readPolicyFiles(files: PolicyFile[]): Loaded {
  const findings: Finding[] = []
  const ordered = [...files].sort((left, right) => (left.path < right.path ? -1 : 1))
  const tenants = readTenants(
    ordered.find(({ path }) => path === TENANTS_FILE),
    findings,
  )
  const policies: Policy[] = []
  const seen = new Map<string, Source>()
  for (const { path, documents } of ordered) {
    if (path === TENANTS_FILE) continue
    for (const root of documents) {
      const read = readCiliumDocument(root)
      findings.push(...read.findings)
      for (const policy of read.policies) {
        checkTenancy(tenants, policy, findings)
        checkNames(seen, policy, root.at, findings)
      }
      policies.push(...read.policies)
      if (policies.length > MAX_POLICIES) return { findings: [tooMany(root.at)] }
    }
  }
  const refused = findings.some(({ severity }) => severity === 'error')
  const sorted = inReadingOrder(findings)
  return refused ? { findings: sorted } : { set: { policies, routes: [] }, warnings: sorted }
}
