/** heddle audit over the whole history: every rollout told, and the first break named, wherever it is. */
import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { csv } from '../../../infra/audit/history/csv.ts'
import { nodeAt } from '../../../infra/audit/history/node-at.ts'
import { readHistory } from '../../../infra/audit/history/read-history.ts'
import { rolloutsOf, toldAt } from '../../../infra/audit/history/rollouts.ts'
import { signCode } from '../../../functions/trust/ceremony.ts'
import { rotate } from '../../../functions/trust/rotation.ts'
import { keyIdOf } from '../../../functions/trust/keys.ts'
import type { Digest } from '../../../pipelines/contract/artifact.ts'
import { LOG_TARGET } from '../../../pipelines/contract/log.ts'
import { fakeCode } from '../../fakes/compiler.ts'
import { freshSigner, forger, signJson } from '../../fakes/forger.ts'
import { generateHistory } from '../../fakes/generated-history.ts'
import { tableOf } from '../../fakes/init-repository.ts'
import { CODE, type Fleet, manifestOf, nodeFleet } from '../../fakes/node-fleet.ts'
import { testElf } from '../../fakes/test-elf.ts'

const DEEP = process.env['HEDDLE_DEEP'] === '1'
const ROLLOUTS = DEEP ? 1_000 : 30
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
  assert.ok(rollouts.every(({ end, why }) => end === 'done' && why === 'every ring succeeded'))
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

/** Real publications: what a generator would have to imitate. */
async function withFleet(run: (fleet: Fleet) => Promise<void>): Promise<void> {
  const fleet = await nodeFleet()
  try {
    await run(fleet)
  } finally {
    await fleet.close()
  }
}
const historyOf = ({ store, published }: Fleet) => readHistory(storeOf(store.objects), published.root)
const release = async ({ published }: Fleet, number: number, artifact: Digest) => {
  await published.release('canary', number, artifact)
  await published.succeed('canary', number, artifact)
}

test('it holds across rotations of the online keys, and old keys say nothing after them', () =>
  withFleet(async (fleet) => {
    const { keys, root: pinned, repository } = fleet.published
    await release(fleet, 1, await fleet.artifact('one'))
    const old = keys.snapshot.signers
    const fresh = freshSigner()
    const drop = old.map(({ publicKey }) => keyIdOf(publicKey))
    const rotation = { role: 'snapshot' as const, drop, fresh: [fresh.publicKey], now: true }
    await rotate(tableOf(fleet.store, keys, fleet.clock), pinned, rotation)
    keys.snapshot = { signers: [...old, fresh], threshold: 1 }
    await repository.refresh()
    keys.snapshot = { signers: [fresh], threshold: 1 }
    await release(fleet, 2, await fleet.artifact('two'))
    assert.equal((await historyOf(fleet)).broken, null)
    await forger(fleet).putSnapshot(() => {}, old)
    const { broken } = await historyOf(fleet)
    assert.equal(broken?.code, 'metadata-untrusted')
    assert.match(broken?.message ?? '', /snapshot\.json is not signed by the snapshot keys of its time/)
  }))

test('a release that goes back in number, or that nobody has listed an artifact for', () =>
  withFleet(async (fleet) => {
    const [one, two] = [await fleet.artifact('one'), await fleet.artifact('two')]
    await release(fleet, 5, one)
    await release(fleet, 6, two)
    await release(fleet, 7, one)
    const fine = await historyOf(fleet)
    assert.equal(fine.broken, null)
    assert.match(rolloutsOf(fine).at(-1)?.why ?? '', /went back to what release 5 brought/)
    const before = new Map(fleet.store.objects)
    await release(fleet, 6, one)
    assert.equal((await historyOf(fleet)).broken?.code, 'release-replayed')
    fleet.store.objects.clear()
    for (const [key, bytes] of before) fleet.store.objects.set(key, bytes)
    await fleet.published.release('canary', 8, `sha256:${'a'.repeat(64)}`)
    assert.equal((await historyOf(fleet)).broken?.code, 'artifact-untrusted')
  }))

test('a list that its own key has signed a second time under the same number', () =>
  withFleet(async (fleet) => {
    await release(fleet, 1, await fleet.artifact('one'))
    const { role, write, keys } = forger(fleet)
    const signed = role('policy')
    const [path = ''] = Object.keys(signed.targets)
    signed.targets[path].custom.order = 99
    write(`${signed.version}.policy.json`, await signJson(signed, keys.policy.signers))
    const { broken } = await historyOf(fleet)
    assert.match(broken?.message ?? '', /\.policy\.json, named by snapshot \d+, is not what was named/)
  }))

test('a rollout that another one cut short, and one that is under way', () =>
  withFleet(async (fleet) => {
    const { published } = fleet
    const [one, two, three] = [
      await fleet.artifact('one'),
      await fleet.artifact('two'),
      await fleet.artifact('three'),
    ]
    await published.release('canary', 1, one)
    await published.succeed('canary', 1, one)
    await published.release('rest', 1, one)
    await published.succeed('rest', 1, one)
    await published.release('canary', 2, two)
    await published.release('canary', 3, three)
    const ends = rolloutsOf(await historyOf(fleet)).map(({ end, why }) => `${end}: ${why}`)
    assert.deepEqual(ends, [
      'done: every ring succeeded',
      'superseded: release 3 took its place before ring canary had succeeded',
      'open: ring canary has not succeeded',
    ])
  }))

test('an artifact that was never logged is named; one that was listed before there was a log is not', () =>
  withFleet(async (fleet) => {
    const { published, store, clock } = fleet
    const unlogged = (tables: string) => {
      const elf = testElf(CODE, tables)
      return published.publishArtifact(manifestOf(elf), elf, false)
    }
    await signCode(tableOf(store, published.keys, clock), published.root, fakeCode)
    await unlogged('before there was a log')
    const early = await historyOf(fleet)
    assert.deepEqual([early.broken, early.links.at(-1)?.facts], [null, { log: null }])
    await published.putCode()
    await fleet.artifact('one')
    assert.equal((await historyOf(fleet)).broken, null)
    await unlogged('in secret')
    assert.equal((await historyOf(fleet)).broken?.code, 'artifact-unlogged')
  }))

test('split view: an artifact that was shown in another history of the log', () =>
  withFleet(async (fleet) => {
    await release(fleet, 1, await fleet.artifact('one'))
    const before = new Map(fleet.store.objects)
    await fleet.artifact('two')
    // The log begins again as if `two` had never been in it, by the same key.
    for (const key of fleet.store.objects.keys()) if (key.startsWith('log/')) fleet.store.objects.delete(key)
    for (const [key, bytes] of before) if (key.startsWith('log/')) fleet.store.objects.set(key, bytes)
    assert.equal((await historyOf(fleet)).broken?.code, 'log-shrunk')
    await fleet.artifact('three')
    assert.equal((await historyOf(fleet)).broken?.code, 'log-split-view')
  }))

test('what a node was told at a time, and whether it can show that it took it', () =>
  withFleet(async (fleet) => {
    const subject = async () => ({
      ring: 'canary',
      pinnedRoot: Buffer.from(fleet.published.root).toString(),
      disk: (await fleet.node()).disk,
    })
    const at = async (minutes: number) => {
      const time = Date.parse('2026-11-23T00:00:00Z') + minutes * 60_000
      const { rollout, taken, broken } = await nodeAt(storeOf(fleet.store.objects), await subject(), time)
      assert.equal(broken, null)
      return [rollout?.number ?? null, taken]
    }
    fleet.clock.advance(5 * 60_000)
    await release(fleet, 1, await fleet.artifact('one'))
    assert.equal((await fleet.pass()).outcome, 'enforced')
    fleet.clock.advance(5 * 60_000)
    await release(fleet, 2, await fleet.artifact('two'))
    assert.deepEqual(
      [await at(4), await at(5), await at(9), await at(10)],
      [
        [null, false],
        [1, true],
        [1, true],
        [2, false],
      ],
    )
  }))

test('a log key that is none is named', () =>
  withFleet(async (fleet) => {
    await fleet.published.putCode({ path: LOG_TARGET, bytes: new Uint8Array(Buffer.from('{"schema":"x"}')) })
    assert.match((await historyOf(fleet)).broken?.code ?? '', /code-untrusted/)
  }))

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
