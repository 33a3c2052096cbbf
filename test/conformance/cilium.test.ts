/** Heddle reads CiliumNetworkPolicy as Cilium means it: generated objects, and Cilium's own files. */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { stringify } from 'yaml'
import { readPolicies } from '../../functions/validate/load-policies.ts'
import { type Connection, evaluate, type Verdict } from '../../pipelines/policy/evaluate.ts'
import { utf8 } from '../../pipelines/bytes.ts'
import type { PolicySet } from '../../pipelines/policy/model.ts'
import type { Request } from '../../pipelines/protocols/http1-request.ts'
import { type Cnp, cnps } from './cilium-objects.ts'
import { type Meaning, meaning, type Pod, type Probe } from './cilium-oracle.ts'

const DEEP = process.env['HEDDLE_DEEP'] === '1'
const SETS = DEEP ? 5_000 : 300
const CORPUS = join(process.env['HEDDLE_CORPUS'] ?? '../shared/corpus', 'cilium')

const PODS: Pod[] = [
  { namespace: 'default', labels: { app: 'api', tier: 'x' } },
  { namespace: 'default', labels: { app: 'web', tier: 'y' } },
  { namespace: 'default', labels: { app: 'db' } },
  { namespace: 'shop', labels: { app: 'api', tier: 'y' } },
  { namespace: 'shop', labels: { app: 'web' } },
  { namespace: 'other', labels: {} },
]
const WORLD = [
  '10.1.2.3',
  '10.2.3.4',
  '10.200.0.1',
  '192.0.2.7',
  '198.51.100.1',
  '2001:db8::1',
  '2001:db8:1::1',
  '2620::1',
]

const from = fc.oneof(
  fc.constantFrom<Probe['from']>(...PODS),
  fc.constantFrom(...WORLD).map((address) => ({ address })),
)
const extra = fc.constantFrom<[string, string]>(
  ['X-Key', '1'],
  ['x-key', '2'],
  ['X-KEY', ''],
  ['X-Mode', 'fast lane'],
  ['x-mode', 'slow'],
)
const probe: fc.Arbitrary<Probe> = fc
  .record({
    to: fc.constantFrom(...PODS.slice(0, 5), ...PODS.slice(0, 2), ...PODS.slice(0, 2)),
    from,
    port: fc.constantFrom(80, 80, 80, 80, 80, 81, 82, 8080, 9),
    protocol: fc.constantFrom('TCP', 'TCP', 'TCP', 'TCP', 'TCP', 'UDP', 'SCTP'),
    method: fc.constantFrom('GET', 'HEAD', 'POST', 'PATCH', 'get'),
    path: fc.constantFrom(
      '/',
      '/public',
      '/public/x',
      '/publi',
      '/api/v1/x',
      '/api',
      '/a/',
      '/x',
      '/x/admin',
      '/s?q=1',
    ),
    host: fc.constantFrom('api', 'api:80', 'www.example', 'API'),
    headers: fc.array(extra, { maxLength: 2 }),
  })
  .map(({ host, headers, ...rest }) => ({ ...rest, headers: [['Host', host], ...headers] }))

function connectionOf({ to, from: peer, port, protocol }: Probe): Connection {
  const world = 'address' in peer
  return {
    subject: to,
    peer: world ? undefined : peer,
    peerAddress: world ? peer.address : '10.1.2.3',
    port,
    protocol: protocol as Connection['protocol'],
  }
}

const requestOf = ({ method, path, headers }: Probe): Request => ({
  method: utf8(method),
  target: utf8(path),
  version: '1.1',
  fields: headers.map(([name, value]) => ({ name: utf8(name), value: utf8(value) })),
})

/** Heddle's verdict in the oracle's words. */
const WORDS: Record<Verdict['reason'], Meaning> = {
  'not-selected': 'untouched',
  'allowed-l4': 'open',
  'denied-by-rule': 'dropped',
  'no-rule-denies': 'open',
  'no-rule-for-peer-and-port': 'dropped',
  'request-matches': 'allowed',
  'no-request-rule-matches': 'forbidden',
  'unparsed-pass': 'allowed',
  'unparsed-refuse': 'forbidden',
}

function load(objects: Cnp[]): { set: PolicySet; text: string } {
  const text = objects.map((object) => stringify(object)).join('---\n')
  const loaded = readPolicies([{ path: 'p.yaml', text }])
  if (!('set' in loaded)) assert.fail(`${loaded.findings.map(({ message }) => message).join('\n')}\n${text}`)
  return { set: loaded.set, text }
}

test('generated objects mean what the oracle says', (context) => {
  const counts: Record<string, number> = { objects: 0, probes: 0 }
  const add = (name: string, by = 1) => {
    counts[name] = (counts[name] ?? 0) + by
  }
  const probes = fc.array(probe, { minLength: 40, maxLength: 40 })
  const property = fc.property(cnps, probes, (objects, questions) => {
    const { set, text } = load(objects)
    add('objects', objects.length)
    for (const question of questions) {
      const expected = meaning(objects, question)
      const verdict = evaluate(set, connectionOf(question), requestOf(question))
      add('probes')
      add(expected)
      assert.equal(WORDS[verdict.reason], expected, `${JSON.stringify(question)}\n${text}`)
    }
  })
  fc.assert(property, { seed: 20264, numRuns: SETS })
  context.diagnostic(JSON.stringify(counts))
  assert.ok((counts['objects'] ?? 0) >= 300, 'enough objects')
  for (const word of new Set(Object.values(WORDS))) assert.ok((counts[word] ?? 0) > 50, `enough of ${word}`)
})

/** What a refusal names: a field, a kind, or words that stand for a feature. */
const NAMES_A_FEATURE = /`[^`]+`|is not supported|\S+\/\S+ [A-Z]\w+/

describe("Cilium's own files", { skip: existsSync(CORPUS) ? false : 'no corpus' }, () => {
  test('each is accepted, or every refusal names what it is about', (context) => {
    const counts = { files: 0, accepted: 0, refused: 0, templates: 0 }
    const files = readdirSync(CORPUS, { recursive: true, encoding: 'utf8' }).filter((name) =>
      /\.ya?ml$/.test(name),
    )
    for (const name of files.sort()) {
      counts.files += 1
      const text = readFileSync(join(CORPUS, name), 'utf8')
      if (text.includes('{{')) {
        counts.templates += 1
        continue
      }
      const loaded = readPolicies([{ path: name, text }])
      if ('set' in loaded) {
        counts.accepted += 1
        continue
      }
      counts.refused += 1
      for (const finding of loaded.findings.filter(({ severity }) => severity === 'error')) {
        const lines = text.split('\n').length
        assert.ok(finding.line <= lines && finding.column >= 1 && finding.hint !== '', name)
        assert.match(finding.message, NAMES_A_FEATURE, name)
      }
    }
    context.diagnostic(JSON.stringify(counts))
    assert.ok(counts.accepted > 0 && counts.files > 50)
  })
})
