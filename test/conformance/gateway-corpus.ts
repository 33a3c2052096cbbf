/** The Gateway API's own conformance tests, as data: manifests, and the rows that were extracted from their Go code. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseAllDocuments } from 'yaml'

const CORPUS = join(process.env['HEDDLE_CORPUS'] ?? '../shared/corpus', 'gateway-api/conformance')
export const hasCorpus = existsSync(CORPUS)

/** A Kubernetes object, as much of it as every object has. */
export type Manifest = {
  apiVersion: string
  kind: string
  metadata: { name: string; namespace?: string }
  spec?: Record<string, unknown>
}

type RowRequest = {
  Host?: string
  Method?: string
  Path?: string
  Protocol?: string
  Headers?: Record<string, string> | null
}
export type RowResponse = {
  StatusCode?: number
  StatusCodes?: number[]
  Headers?: Record<string, string>
  AbsentHeaders?: string[]
  /** Any of these. */
  ValidHeaderValues?: Record<string, string[]>
  IgnoreWhitespace?: boolean
}
/** http.ExpectedResponse of conformance/utils/http. */
export type Row = {
  TestCaseName?: string
  Request: RowRequest
  ExpectedRequest?: { Request?: RowRequest; AbsentHeaders?: string[] }
  RedirectRequest?: { Scheme?: string; Host?: string; Port?: string; Path?: string }
  BackendSetResponseHeaders?: Record<string, string>
  Response?: RowResponse
  Backend?: string
  Namespace?: string
}
type Table = { literal: string; rows: unknown }
export type CorpusTest = {
  shortName: string
  manifests: string[]
  features: string[]
  tables: Table[]
}

export const isMesh = ({ shortName }: CorpusTest) => shortName.startsWith('Mesh')

/** Tests of HTTPRoute: those of a mesh, and the ordinary ones, whose routes attach to a Gateway. */
export function httpRouteTests(): CorpusTest[] {
  const text = readFileSync(join(CORPUS, 'expectations.json'), 'utf8')
  const { tests } = JSON.parse(text) as { tests: CorpusTest[] }
  return tests.filter(
    ({ shortName, features }) =>
      features.includes('SupportHTTPRoute') &&
      (shortName.startsWith('Mesh') || shortName.startsWith('HTTPRoute')),
  )
}

/** Documents of a file of the corpus; undefined when it is not there. */
export function manifestsOf(name: string): Manifest[] | undefined {
  const path = join(CORPUS, name)
  if (!existsSync(path)) return undefined
  return parseAllDocuments(readFileSync(path, 'utf8'))
    .map((document) => document.toJS() as Manifest | null)
    .filter((manifest) => manifest !== null)
}

/** A row of a test of retries: its server fails as often as the query says (gateway-echo.ts). */
type RetryRow = {
  name: string
  args: { path: string; retrySimulationConfig: Record<string, string[]> }
  want: RowResponse
}
const isRetryRow = (row: unknown): row is RetryRow =>
  typeof row === 'object' && row !== null && 'args' in row && 'want' in row
const ofRetries = ({ tables }: CorpusTest) =>
  tables.some(({ rows }) => Array.isArray(rows) && rows.some(isRetryRow))

function retried({ name, args, want }: RetryRow): Row {
  const query = Object.entries(args.retrySimulationConfig).map(([key, values]) => `${key}=${values[0]}`)
  return { TestCaseName: name, Request: { Path: `${args.path}?${query.join('&')}` }, Response: want }
}

/** Rows of tables that are requests with what is expected of them, by table. */
export function rowsOf(test: CorpusTest): Row[][] {
  // What stands beside rows of retries is the form of all of them, with the names of Go's variables.
  if (ofRetries(test)) return test.tables.map(({ rows }) => [rows].flat().filter(isRetryRow).map(retried))
  return test.tables
    .filter(({ literal }) => literal.endsWith('http.ExpectedResponse'))
    .map(({ rows }) => (Array.isArray(rows) ? (rows as Row[]) : [rows as Row]))
}

/** Shares of a weighted split, of tests that have one. */
export function sharesOf({ tables }: CorpusTest): Record<string, number> | undefined {
  const found = tables.find(({ literal }) => literal === 'map[string]float64')
  return found?.rows as Record<string, number> | undefined
}

/** Rows of any other shape: they are counted, with the reason why their test is refused. */
export function otherRowsOf(test: CorpusTest): number {
  if (ofRetries(test)) return 0
  return test.tables
    .filter(({ literal }) => !literal.endsWith('http.ExpectedResponse') && literal !== 'map[string]float64')
    .reduce((count, { rows }) => count + (Array.isArray(rows) ? rows.length : 1), 0)
}
