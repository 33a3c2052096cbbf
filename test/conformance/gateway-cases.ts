/**
 * Each row of the corpus as a case: a cluster, a request of a client to a service, and what must
 * come of it. Whoever can send the request and tell what came of it, evaluator or kernel, can be
 * checked (gateway-check.ts).
 */
import type { ServicePort } from '../../pipelines/policy/route.ts'
import { type Cluster, clusterOf, RefusedManifest } from './gateway-cluster.ts'
import {
  type CorpusTest,
  isMesh,
  type Manifest,
  manifestsOf,
  otherRowsOf,
  type Row,
  rowsOf,
  sharesOf,
} from './gateway-corpus.ts'
import { OWN } from './gateway-own.ts'
import { forMesh, Untranslatable } from './gateway-translation.ts'

/** A request: `fields` in the order in which they are sent, Host first. */
export type CaseRequest = { method: string; target: string; fields: [string, string][] }
export type Case = {
  name: string
  cluster: Cluster
  service: ServicePort
  /** Namespace of the asking workload. */
  client: string
  request: CaseRequest
  /** Fields that the server is asked to answer with. */
  answer: [string, string][]
  row: Row
  /** Of many such requests, these shares go to these backends. */
  shares: Record<string, number> | undefined
}
export type CaseTest = {
  test: CorpusTest
  rows: number
  cases: Case[]
  /** Rows that are not asked, and why. */
  refused: { rows: number; reason: string }[]
  /** A manifest that is not in the corpus: nothing of the test can be asked. */
  absent: string | undefined
}

let times = 0

/** The same case as a request of its own to servers that fail a number of times for each. */
export function oneTime(item: Case): Case {
  if (!item.request.target.includes('succeedAfter=')) return item
  return { ...item, request: { ...item.request, target: `${item.request.target}&uuid=${++times}` } }
}

const MESH_CLIENT = 'gateway-conformance-mesh'
const CONSUMER = 'gateway-conformance-mesh-consumer'
const HTTP_PORT = 80

type Parent = { name: string; namespace?: string; port?: number }

/** Services that the routes of a mesh test attach to. */
function meshParents(manifests: readonly Manifest[]): ServicePort[] {
  const all = manifests
    .filter(({ kind }) => kind === 'HTTPRoute')
    .flatMap(({ metadata, spec }) =>
      ((spec?.['parentRefs'] ?? []) as Parent[]).map((parent) => ({
        namespace: parent.namespace ?? metadata.namespace ?? 'default',
        name: parent.name,
        port: parent.port ?? HTTP_PORT,
      })),
    )
  return [...new Map(all.map((parent) => [`${parent.namespace}/${parent.name}`, parent])).values()]
}

/** In a mesh Host says where the client connects to: name, perhaps with namespace and port. */
function meshService(host: string, parent: ServicePort): ServicePort {
  const [authority = '', port] = host.split(':', 2)
  const [name = '', namespace = parent.namespace] = authority.split('.', 2)
  return { name, namespace, port: port === undefined ? HTTP_PORT : Number(port) }
}

/** The client's namespace is in the Go code alone; the row's name says it where it matters. */
const meshClient = ({ TestCaseName = '' }: Row) =>
  /^request from consumer/.test(TestCaseName) ? CONSUMER : MESH_CLIENT

function caseOf(test: CorpusTest, row: Row, parent: ServicePort, cluster: Cluster): Case {
  const { Host, Method = 'GET', Path, Headers } = row.Request
  const mesh = isMesh(test)
  return {
    name: row.TestCaseName ?? `${Method} ${Host ?? ''}${Path ?? ''} ${JSON.stringify(Headers ?? {})}`,
    cluster,
    service: mesh && Host !== undefined ? meshService(Host, parent) : parent,
    client: mesh ? meshClient(row) : parent.namespace,
    request: {
      method: Method,
      target: Path === undefined || Path === '' ? '/' : Path,
      fields: [['Host', Host ?? parent.name], ...Object.entries(Headers ?? {})],
    },
    answer: Object.entries(row.BackendSetResponseHeaders ?? {}),
    row,
    shares: sharesOf(test),
  }
}

/** What the rows ask of a client or server that only speaks HTTP/1.1 in the clear. */
function otherProtocol(rows: readonly Row[]): string | undefined {
  return rows.map(({ Request }) => Request.Protocol).find((protocol) => protocol !== undefined)
}

/** Manifests that a test brings along; a name = that one is not in the corpus. */
function ownManifests({ manifests }: CorpusTest): Manifest[] | string {
  const own = manifests.map((name) => manifestsOf(name) ?? name)
  return own.find((found) => typeof found === 'string') ?? (own.flat() as Manifest[])
}

type Asked = Pick<CaseTest, 'cases' | 'refused'>

function askedOf(test: CorpusTest, own: readonly Manifest[]): Asked {
  const tables = rowsOf(test)
  const protocol = otherProtocol(tables.flat())
  if (protocol !== undefined) throw new Untranslatable(`the client speaks ${protocol.replace(/^\$.*\./, '')}`)
  const mesh = isMesh(test)
  const base = manifestsOf(mesh ? 'mesh/manifests.yaml' : 'base/manifests.yaml') ?? []
  const { manifests, parents } = mesh ? { manifests: own, parents: meshParents(own) } : forMesh(own, base)
  const cluster = clusterOf([...base, ...manifests])
  if (otherRowsOf(test) > 0) throw new Untranslatable('rows of a shape of their own')
  const all: Asked = { cases: [], refused: [] }
  for (const [index, rows] of tables.entries()) {
    // As many tables as parents: each is about its own.
    const parent = parents.length === tables.length ? parents[index] : parents[0]
    if (parent === undefined) throw new Untranslatable('no route of the test attaches to anything')
    if ('reason' in parent) all.refused.push({ rows: rows.length, reason: parent.reason })
    else all.cases.push(...rows.map((row) => caseOf(test, row, parent, cluster)))
  }
  return all
}

/** Every row of a test: as cases, or with the reason why it is none. */
export function caseTest(test: CorpusTest): CaseTest {
  const rows = rowsOf(test).flat().length + otherRowsOf(test)
  const own = ownManifests(test)
  if (typeof own === 'string') return { test, rows, cases: [], refused: [], absent: own }
  return replayed(test, own)
}

/** The same with a route of ours in place of manifests that the corpus lacks; undefined = it has them, or none is written. */
export function ownCaseTest(test: CorpusTest): CaseTest | undefined {
  const own = OWN[test.shortName]
  return own === undefined || typeof ownManifests(test) !== 'string' ? undefined : replayed(test, own)
}

function replayed(test: CorpusTest, own: readonly Manifest[]): CaseTest {
  const rows = rowsOf(test).flat().length + otherRowsOf(test)
  try {
    return { test, rows, ...askedOf(test, own), absent: undefined }
  } catch (error) {
    if (!(error instanceof RefusedManifest || error instanceof Untranslatable)) throw error
    return { test, rows, cases: [], refused: [{ rows, reason: error.message }], absent: undefined }
  }
}
