import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { HttpMatch, Peer, PolicySet, Rule } from '../../../pipelines/policy/model.ts'
import { buildTables } from '../../../pipelines/tables/build-tables.ts'
import { MAX_BLOCKS, MAX_DIMS, MAX_LATCHES, MAX_OBSERVERS } from '../../../pipelines/tables/layout.ts'
import { TablesWalker } from '../../../pipelines/tables/walk.ts'

const encode = (text: string) => new TextEncoder().encode(text)
const at = (line: number) => ({ file: 'p.yaml', line, column: 3 })
const subject = (app: string) => ({
  namespaces: ['n'],
  requirements: [{ key: 'app', operator: 'In' as const, values: [app] }],
})

function policies(rules: readonly Rule[], of = (_: number) => 'a'): PolicySet {
  return {
    policies: rules.map((rule, index) => ({
      name: `p${index}`,
      namespace: 'n',
      source: at(1),
      subject: subject(of(index)),
      unparsed: 'refuse' as const,
      selects: false,
      allow: [rule],
      deny: [],
    })),
    routes: [],
  }
}
const judge = (...http: HttpMatch[]): Rule => ({ source: at(7), peers: null, ports: null, http })
const match = (line: number, parts: Partial<HttpMatch>): HttpMatch => ({
  source: at(line),
  headers: [],
  ...parts,
})

function refused(set: PolicySet): string {
  const result = buildTables(set)
  assert.ok(!result.ok)
  assert.equal(result.failures[0]?.code, 'limit-exceeded')
  return result.failures[0].message
}
const distinct = (count: number, http: (index: number) => HttpMatch) =>
  policies(
    Array.from({ length: count }, (_, index) => judge(http(index))),
    (index) => `app${index}`,
  )

test('as many blocks as a row has bits, and not one more', () => {
  const set = (count: number) => distinct(count, () => match(1, { path: '/a' }))
  assert.ok(buildTables(set(MAX_BLOCKS)).ok)
  assert.match(refused(set(MAX_BLOCKS + 1)), /p\.yaml:7:3/)
})

test('what says the same of the same is one block', () => {
  const result = buildTables(
    policies(Array.from({ length: 2_000 }, (_, i) => judge(match(i + 1, { path: `/${i}` })))),
  )
  assert.ok(result.ok)
  assert.equal(result.tables.blocks.length, 1)
})

test('as many headers as there are dimensions, and not one more', () => {
  const set = (count: number) =>
    policies([
      judge(...Array.from({ length: count }, (_, i) => match(i + 1, { headers: [{ name: `x-${i}` }] }))),
    ])
  assert.ok(buildTables(set(MAX_DIMS - 2)).ok)
  assert.match(refused(set(MAX_DIMS - 1)), /p\.yaml:63:3: header x-62/)
})

test('as many limits and audits as a word has bits, and not one more', () => {
  const set = (audits: number): PolicySet => ({
    policies: [
      {
        ...{ name: 'p', namespace: 'n', source: at(1), subject: subject('a'), unparsed: 'refuse' },
        ...{ selects: false, allow: [], deny: [] },
        limits: [
          {
            ...{ source: at(2), peers: null, ports: null, name: 'l', http: [match(3, {})] },
            limit: { bucket: 'token', rate: 1, per: 1, burst: 1, key: [] },
          },
        ],
        audits: Array.from({ length: audits }, (_, index) => {
          return { source: at(10 + index), peers: null, ports: null, name: `a${index}`, http: [match(3, {})] }
        }),
      },
    ],
    routes: [],
  })
  assert.ok(buildTables(set(MAX_OBSERVERS - 1)).ok)
  assert.match(refused(set(MAX_OBSERVERS)), /p\.yaml:41:3: 33 rules that limit, audit or mirror/)
})

test('more kinds of infix rules than latches are refused, more kinds of prefix rules are not', () => {
  const many = MAX_LATCHES + 1
  assert.match(refused(distinct(many, (index) => match(1, { path: `.*/${index}/.*` }))), /p\.yaml:1:3/)
  const prefixes = distinct(many, (index) => match(1, { path: `/${index}/.*` }))
  const result = buildTables(prefixes)
  assert.ok(result.ok)
  const walker = new TablesWalker(result.tables.blob)
  for (const index of [0, 77, many - 1]) {
    const request = {
      method: encode('GET'),
      target: encode(`/${index}/x`),
      version: '1.1' as const,
      fields: [],
    }
    assert.equal(walker.allows(1n << BigInt(index), request), true)
    assert.equal(walker.allows(1n << BigInt((index + 1) % many), request), false)
  }
})

/** A request with these headers, to whichever rule. */
const sent = (...names: string[]) => ({
  method: encode('GET'),
  target: encode('/'),
  version: '1.1' as const,
  fields: names.map((name) => ({ name: encode(name), value: encode('1') })),
})

test('headers that nobody asks for together do not multiply', () => {
  // Each rule has ports, so a block, of its own and asks for 5 of 60 headers.
  const asked = (i: number) => [0, 1, 2, 3, 4].map((n) => `x-${(i * 7 + n * (3 + (i % 11))) % 60}`)
  const rules = Array.from({ length: 300 }, (_, i): Rule => {
    const headers = asked(i).map((name) => ({ name }))
    return { ...judge(match(i + 1, { headers })), ports: [{ protocol: 'TCP', first: i + 1, last: i + 1 }] }
  })
  const result = buildTables(policies(rules))
  assert.ok(result.ok)
  const walker = new TablesWalker(result.tables.blob)
  for (let i = 0; i < rules.length; i++) {
    const all = [...new Set(asked(i))]
    assert.ok(walker.allows(1n << BigInt(i), sent(...all)), `rule ${i}`)
    assert.ok(!walker.allows(1n << BigInt(i), sent(...all.slice(1))), `rule ${i} without ${all[0]}`)
  }
})

test('questions that multiply all the same are refused, in bounded time', () => {
  // Each rule is asked about any of 60 headers with any other, and only the last one decides.
  const http = Array.from({ length: 60 }, (_, i) =>
    Array.from({ length: 60 }, (_, j) => match(i + 1, { path: `/${i}/${j}.*`, headers: pairs(i, j) })),
  ).flat()
  assert.match(refused(policies([judge(...http)])), /methods, hosts and headers/)
})

const pairs = (i: number, j: number) =>
  Array.from({ length: 12 }, (_, n) => ({ name: `x-${(i * 7 + n * (j + 1)) % 60}`, value: `${i}-${j}-${n}` }))

test('a thousand address ranges stay small and decide each address', () => {
  const cidr = (index: number): Peer => ({
    kind: 'cidr',
    cidr: `10.${index >> 4}.${(index & 15) << 4}.0/20`,
    except: [`10.${index >> 4}.${(index & 15) << 4}.7/32`],
  })
  const rules = Array.from(
    { length: 1_000 },
    (_, index): Rule => ({
      source: at(1),
      peers: [cidr(index)],
      ports: null,
      http: null,
    }),
  )
  const result = buildTables(policies(rules, (index) => `app${index}`))
  assert.ok(result.ok)
  assert.ok(result.tables.words < 2 ** 20, `${result.tables.words} words`)
  const walker = new TablesWalker(result.tables.blob)
  assert.equal(walker.world(Uint8Array.of(10, 3, 0x25, 9)), 1n << BigInt(3 * 16 + 2))
  assert.equal(walker.world(Uint8Array.of(10, 3, 0x20, 7)), 0n)
  assert.equal(walker.world(Uint8Array.of(11, 3, 0x25, 9)), 0n)
})

test('one set of policies has one blob', () => {
  const set = distinct(50, (index) => match(index + 1, { path: `/${index}/.*`, host: `h${index}` }))
  const [first, second] = [buildTables(set), buildTables(structuredClone(set))]
  assert.ok(first.ok && second.ok)
  assert.deepEqual(first.tables.blob, second.tables.blob)
})
