/** heddle audit over the whole history: every rollout told, and the first break named, wherever it is. */
import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { csv } from '../../../infra/audit/history/csv.ts'
import { readHistory } from '../../../infra/audit/history/read-history.ts'
import { rolloutsOf, toldAt } from '../../../infra/audit/history/rollouts.ts'
import { generateHistory } from '../../fakes/generated-history.ts'

const DEEP = process.env['HEDDLE_DEEP'] === '1'
const ROLLOUTS = DEEP ? 1_000 : 14
const RINGS = ['ring-0', 'ring-1']
type Objects = Map<string, Uint8Array>

const generated: Objects = new Map()
let root: Uint8Array
before(async () => {
  root = await generateHistory({ rollouts: ROLLOUTS, rings: RINGS }, (key, bytes) =>
    generated.set(key, bytes),
  )
})

const storeOf = (objects: Objects) => ({ get: async (key: string) => objects.get(key) })
const read = (objects: Objects = generated, pinned = root) => readHistory(storeOf(objects), pinned)
const changed = (change: (objects: Objects) => void): Objects => {
  const objects = new Map(generated)
  change(objects)
  return objects
}

test('every rollout is told: its commit, who wrote and approved it, its rings, and why it ended', async () => {
  const history = await read()
  assert.equal(history.broken, null)
  const rollouts = rolloutsOf(history)
  assert.equal(rollouts.length, ROLLOUTS)
  const [first] = rollouts
  assert.equal(first?.author, 'Policy Author <author@example.test>')
  assert.deepEqual(first?.approvals, [`reviewer at ${first?.commit}`])
  assert.deepEqual(
    first?.rings.map(({ ring, told, succeeded }) => [ring, told, succeeded]),
    RINGS.map((ring) => [ring, '2026-01-01T00:01:00.000Z', '2026-01-01T00:01:00.000Z']),
  )
  assert.ok(
    rollouts.every(({ end, why }) => end === 'done' && why === 'ring ring-1: every ring has soaked with it'),
  )
  const log = history.links.at(-1)
  assert.deepEqual(log?.facts, { log: 'heddle.test/log', size: ROLLOUTS, proofs: ROLLOUTS })
})

test('what each ring was told at a time', async () => {
  const { told } = await read()
  const at = (time: string) => [...toldAt(told, Date.parse(time))].map(([ring, { number }]) => [ring, number])
  assert.deepEqual(at('2026-01-01T00:00:59Z'), [])
  assert.deepEqual(
    at('2026-01-01T00:07:30Z'),
    RINGS.map((ring) => [ring, 7]),
  )
})

/** Any file of any kind: a bit of it, and all of it. */
const KINDS: [string, RegExp][] = [
  ['a snapshot', /^tuf\/40\.snapshot/],
  ['a list of policies', /^tuf\/12\.policy/],
  ['a list of releases', /^tuf\/20\.release/],
  ['a release', /^tuf\/targets\/release\/.*\.ring-1\.json/],
  ['a success', /^tuf\/targets\/release\/.*\.ring-0\.success/],
  ['the timestamp', /^tuf\/timestamp/],
  ['a tile of the log', /^log\/tile\/0\//],
  ['a bundle of the log', /^log\/tile\/entries\//],
  ['a provenance or a proof', /^blobs\//],
]
for (const [what, pattern] of KINDS) {
  const key = () => [...generated.keys()].find((each) => pattern.test(each)) ?? assert.fail(what)
  test(`a bit of ${what} that was changed is the first break`, async () => {
    const bytes = generated.get(key())?.slice() as Uint8Array
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1
    const { broken } = await read(changed((objects) => objects.set(key(), bytes)))
    assert.ok(broken, what)
    assert.match(broken.code, /untrusted|tampered|damaged|unlogged/)
  })
  test(`${what} that is gone is the first break`, async () => {
    const { broken } = await read(changed((objects) => objects.delete(key())))
    assert.match(broken?.code ?? '', /artifact-missing|log-damaged/, broken?.message)
  })
}

test('what lies before a break stands', async () => {
  const history = await read(changed((objects) => objects.delete('tuf/12.policy.json')))
  assert.match(history.broken?.message ?? '', /tuf\/12\.policy\.json is not in the store/)
  assert.deepEqual(
    rolloutsOf(history).map(({ number }) => number),
    Array.from({ length: 10 }, (_, at) => at + 1),
  )
})

test('a number that is taken twice: an older snapshot under a newer name', async () => {
  const older = generated.get('tuf/39.snapshot.json') as Uint8Array
  const { broken } = await read(changed((objects) => objects.set('tuf/40.snapshot.json', older)))
  assert.equal(broken?.code, 'metadata-rollback')
})

test('another root of trust', async () => {
  const { broken } = await read(generated, await generateHistory({ rollouts: 0, rings: [] }, () => {}))
  assert.equal(broken?.code, 'metadata-untrusted')
})

test('cells that a spreadsheet would run, or that have quotes and commas, are made harmless', () => {
  assert.equal(
    csv(
      ['a', 'b'],
      [
        ['=1+1', 'x,"y"\n'],
        [2, null],
      ],
    ),
    'a,b\r\n\'=1+1,"x,""y""\n"\r\n2,\r\n',
  )
})
