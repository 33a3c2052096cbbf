import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { assign, rowsFor } from '../../../agent/identities.ts'
import type { IdentityEntry } from '../../../agent/state.ts'
import { Limit } from '../../../bpf/abi/heddle.gen.ts'
import type { Block } from '../../../pipelines/contract/artifact.ts'
import type { Workload } from '../../../pipelines/policy/model.ts'

const SEED = 20261123

function workload(app: string, addresses: string[], namespace = 'shop'): Workload {
  return { name: `${app}-${addresses[0]}`, namespace, labels: { app }, addresses, mode: 'auto' }
}
const none = { identities: [], published: [] }

test('equal label sets share a number, whatever the order of their labels', () => {
  const one = { ...workload('a', ['10.0.0.1']), labels: { x: '1', y: '2' } }
  const two = { ...workload('a', ['10.0.0.2']), labels: { y: '2', x: '1' } }
  const { identities, addresses } = assign(none, [one, two])
  assert.equal(identities.length, 1)
  assert.deepEqual(
    addresses.map(({ identity }) => identity),
    [1, 1],
  )
})

test('equal labels in two namespaces are two identities', () => {
  const { identities } = assign(none, [workload('a', ['10.0.0.1']), workload('a', ['10.0.0.2'], 'other')])
  assert.deepEqual(
    identities.map(({ number }) => number),
    [1, 2],
  )
})

test('a number stays with its label set, and is reused only after its addresses are gone', () => {
  const first = assign(none, [workload('a', ['10.0.0.1']), workload('b', ['10.0.0.2'])])
  // The kernel still has addresses of 1: c gets a number of its own.
  const second = assign({ ...first, published: [1, 2] }, [
    workload('b', ['10.0.0.2']),
    workload('c', ['10.0.0.3']),
  ])
  assert.deepEqual(
    second.addresses.map(({ identity }) => identity),
    [2, 3],
  )
  assert.ok(second.identities.some(({ number }) => number === 1))
  // Now they are gone.
  const third = assign({ ...second, published: [2, 3] }, [
    workload('b', ['10.0.0.2']),
    workload('d', ['10.0.0.4']),
  ])
  assert.deepEqual(
    third.addresses.map(({ identity }) => identity),
    [2, 1],
  )
})

test('whatever happens, a published number never changes its meaning', () => {
  const apps = fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f'), { minLength: 0, maxLength: 6 })
  fc.assert(
    fc.property(fc.array(apps, { minLength: 1, maxLength: 12 }), (history) => {
      let known: { identities: IdentityEntry[]; published: number[] } = none
      for (const present of history) {
        const workloads = present.map((app, index) => workload(app, [`10.0.0.${index + 1}`]))
        const next = assign(known, workloads)
        const meaning = new Map(next.identities.map(({ number, labels }) => [number, labels['app']]))
        assert.equal(meaning.size, next.identities.length, 'a number twice')
        for (const { number, labels } of known.identities) {
          if (known.published.includes(number)) assert.equal(meaning.get(number), labels['app'])
        }
        for (const [index, { identity }] of next.addresses.entries()) {
          assert.equal(meaning.get(identity), present[index])
        }
        known = {
          identities: next.identities,
          published: [...new Set(next.addresses.map(({ identity }) => identity))],
        }
      }
    }),
    { seed: SEED, numRuns: 300 },
  )
})

test('an address of two workloads is refused', () => {
  const twins = [workload('a', ['10.0.0.1']), workload('b', ['10.0.0.1'])]
  assert.throws(() => assign(none, twins), { code: 'schema-violation' })
})

test('more label sets than the kernel has room for are refused', () => {
  const many = Array.from({ length: Limit.MAX_IDENTITIES }, (_, index) =>
    workload(`a${index}`, [`a${index}`]),
  )
  assert.throws(() => assign(none, many), { code: 'limit-exceeded' })
  assert.equal(assign(none, many.slice(1)).identities.length, Limit.MAX_IDENTITIES - 1)
})

const everyone = { namespaces: null, requirements: [] }
const only = (app: string) => ({
  namespaces: ['shop'],
  requirements: [{ key: 'app', operator: 'In' as const, values: [app] }],
})
const blocks: Block[] = [
  { kind: 'select', subject: only('a'), peers: null },
  { kind: 'allow', subject: everyone, peers: [only('b'), only('c')] },
  // A block whose peers are CIDRs alone: it is never a workload's.
  { kind: 'deny', subject: only('b'), peers: [] },
]

test('rows say of which blocks an identity is subject and peer', () => {
  const { identities } = assign(none, [workload('a', ['1.1.1.1']), workload('b', ['1.1.1.2'])])
  const rows = rowsFor(blocks, identities)
  assert.deepEqual(
    rows.map(({ identity, subject, peer }) => [identity, subject[0], peer[0]]),
    [
      [1, 0b011n, 0b001n],
      [2, 0b110n, 0b011n],
    ],
  )
  assert.ok(
    rows.every(({ subject, peer }) => subject.length === Limit.ROW_U64 && peer.length === Limit.ROW_U64),
  )
})

test('block 1,023 is bit 63 of word 15', () => {
  const many: Block[] = Array.from({ length: 1024 }, (_, index) => ({
    kind: 'allow',
    subject: index === 1023 ? everyone : only('nobody'),
    peers: [],
  }))
  const [row] = rowsFor(many, [{ number: 1, namespace: 'shop', labels: {} }])
  assert.equal(row?.subject[15], 1n << 63n)
  assert.ok(row?.subject.slice(0, 15).every((word) => word === 0n))
})
