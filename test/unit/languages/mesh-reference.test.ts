/** What the page of MeshPolicy shows is what the front-end reads. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { meshJsonSchema } from '../../../pipelines/languages/mesh/json-schema.ts'
import { meshReference } from '../../../pipelines/languages/mesh/reference.ts'
import { FIELDS } from '../../../pipelines/languages/mesh/schema.ts'
import type { TextFile } from '../../../functions/validate/load-policies.ts'
import { match, mesh, routed, routes, rule, TO, warnings } from './mesh-text.ts'

const written = (name: string) =>
  readFileSync(new URL(`../../../../pipelines/languages/mesh/${name}`, import.meta.url), 'utf8')
const page = written('reference.gen.md')

test('the page and the schema for editors are what the schema says', () => {
  assert.equal(page, meshReference(), 'stale: npm run generate')
  assert.equal(written('schema.gen.json'), meshJsonSchema(), 'stale: npm run generate')
})

test('the policy at its top is read without findings', () => {
  const [, text] = /```yaml\n([^`]*)```/.exec(page) ?? []
  assert.ok(text)
  assert.deepEqual(warnings({ path: 'm.yaml', text }), [])
})

const HEAD = ['apiVersion: heddle.dev/v1', 'kind: MeshPolicy', 'metadata: {name: m}']
const SPEC = ['subject: {}', 'rules: [{action: allow, ports: [80], match: {}}]']
const OF_SERVICE = ['service: {name: echo}', `routes: [{${TO}}]`]
const COUNTS = ['name: l', 'action: limit', 'ports: [80]', 'match: {}']
const COPIES = ['action: mirror', 'ports: [80]', 'match: {}']
const BESIDE: Record<string, string[]> = { limit: COUNTS, mirror: COPIES }
const field = (line: string) => line.slice(0, line.indexOf(':'))
/** Lines of a map, of which the last one takes the place of one before it. */
const map = (lines: string[], last: string) =>
  `{${[...lines.filter((line) => field(line) !== field(last)), last].join(', ')}}`
const peer = (text: string) => rule(`action: allow, from: [${text}]`)
const selector = (text: string) => peer(`{labels: ${text}}`)

const MATCH = 'match: {path: {prefix: /cart}}'

/** For each object of the page: files in which one of its fields stands. */
const AROUND: Record<string, (line: string) => TextFile[]> = {
  MeshPolicy: (line) => [{ path: 'm.yaml', text: map([...HEAD, `spec: {${SPEC.join(', ')}}`], line) }],
  Metadata: (line) => [mesh('{action: allow}', '', map(['name: m'], line))],
  Spec: (line) => {
    const spec = ['service', 'routes', 'breaker'].includes(field(line)) ? OF_SERVICE : SPEC
    return [{ path: 'm.yaml', text: map(HEAD, `spec: ${map(spec, line)}`) }]
  },
  LabelSelector: (line) => [selector(map([], line))],
  Requirement: (line) => {
    const values = line === 'operator: Exists' ? [] : ['values: [a]']
    return [selector(`{matchExpressions: [${map(['key: a', 'operator: In', ...values], line)}]}`)]
  },
  Paths: (line) => [match('{}', `  paths: ${map([], line)}`)],
  Rule: (line) => [mesh(map(BESIDE[field(line)] ?? ['action: allow', 'ports: [80]'], line))],
  Limit: (line) => [mesh(map(COUNTS, `limit: ${map(['rate: 1', 'per: 1s'], line)}`))],
  HeaderKey: (line) => [mesh(map(COUNTS, `limit: {rate: 1, per: 1s, key: [${map([], line)}]}`))],
  Mirror: (line) => [mesh(map(COPIES, `mirror: ${map(['to: next'], line)}`))],
  Peer: (line) => [peer(map(field(line) === 'except' ? ['cidr: 10.0.0.0/8'] : [], line))],
  PortRange: (line) => [rule(`action: allow, ports: [${map(['from: 1', 'to: 65535'], line)}]`)],
  Match: (line) => [match(map([], line))],
  PathMatch: (line) => [match(`{path: ${map([], line)}}`)],
  Breaker: (line) => {
    const opens = ['open', 'probes'].includes(field(line)) ? ['consecutiveErrors: 1'] : []
    return [routes(`{${TO}}`, '{name: echo}', `, breaker: ${map(opens, line)}`)]
  },
  ErrorRate: (line) => {
    const rate = map(['percent: 1', 'window: 1s', 'minimumVolume: 1'], line)
    return [routes(`{${TO}}`, '{name: echo}', `, breaker: {errorRate: ${rate}}`)]
  },
  ServiceRef: (line) => [routes(`{${TO}}`, map(['name: echo'], line))],
  Route: (line) => {
    const answers = ['redirect', 'respond'].includes(field(line))
    return [routes(map(answers ? [] : [MATCH, TO], line))]
  },
  Destination: (line) => [
    routes(`{to: [${map(['service: a', 'port: 80'], line)}]}`, '{name: echo, namespace: shop}'),
  ],
  HeaderChanges: (line) =>
    ['request', 'response'].flatMap((whose) => {
      const changes = `${whose}Headers: ${map([], line)}`
      return [routed(changes), routes(`{to: [{service: a, port: 80, ${changes}}]}`)]
    }),
  HeaderValue: (line) => [routed(`requestHeaders: {add: [${map(['name: a', 'value: b'], line)}]}`)],
  Redirect: (line) => [routes(`{${MATCH}, redirect: ${map([], line)}}`)],
  Rewrite: (line) => [routed(`${MATCH}, rewrite: ${map([], line)}`)],
  Cors: (line) => [routed(`cors: ${map(['allowOrigins: ["http://a"]'], line)}`)],
  Respond: (line) => [routes(`{respond: ${map(['status: 404'], line)}}`)],
  Fault: (line) => [routed(`fault: ${map([], line)}`)],
  Abort: (line) => [routed(`fault: {abort: ${map(['status: 503', 'percent: 1'], line)}}`)],
  Delay: (line) => [routed(`fault: {delay: ${map(['duration: 1s', 'percent: 1'], line)}}`)],
  Budget: (line) => [routed(`retry: {budget: ${map([], line)}}`)],
  Timeout: (line) => [routed(`timeout: ${map([], line)}`)],
  Retry: (line) => [routed(`retry: ${map([], line)}`)],
  NamedMatch: (line) =>
    ['headers', 'query', 'cookies'].map((list) => match(`{${list}: [${map(['name: a'], line)}]}`)),
}

/** Objects of the page and the last cells of their rows. */
const SECTIONS = page
  .split('\n## ')
  .slice(1)
  .map((text) => ({
    name: text.slice(0, text.indexOf('\n')),
    rows: [...text.matchAll(/^\| `(\w+)`.*\| ([^|]*) \|$/gm)].map(([, name = '', cell = '']) => ({
      name,
      examples: cell.split('<br>').map((example) => example.replaceAll('`', '')),
    })),
  }))

describe('every example of the page is read without findings', () => {
  for (const { name, rows } of SECTIONS) {
    test(name, () => {
      assert.notEqual(rows.length, 0)
      for (const { name: of, examples } of rows) {
        for (const example of examples) {
          assert.equal(field(example), of, `an example of ${name}.${of}`)
          for (const file of AROUND[name]?.(example) ?? assert.fail(`nothing around ${name}`))
            assert.deepEqual(warnings(file), [], example)
        }
      }
    })
  }
})

test('every field is on the page', () => {
  const shown = new Set(SECTIONS.flatMap(({ rows }) => rows.map(({ name }) => name)))
  assert.deepEqual([...shown].sort(), [...FIELDS].sort())
})
