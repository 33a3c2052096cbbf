/** heddle audit over the whole history, on real publications: rotations, ends, denials, and attacks on the order of things. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nodeAt } from '../../../infra/audit/history/node-at.ts'
import { readHistory } from '../../../infra/audit/history/read-history.ts'
import { rolloutsOf } from '../../../infra/audit/history/rollouts.ts'
import { signCode } from '../../../functions/trust/ceremony.ts'
import { rotate } from '../../../functions/trust/rotation.ts'
import { signStatement } from '../../../functions/trust/statements.ts'
import { keyIdOf } from '../../../functions/trust/keys.ts'
import type { Digest } from '../../../pipelines/contract/artifact.ts'
import { PAYLOAD_TYPES } from '../../../pipelines/contract/dsse.ts'
import { LOG_TARGET } from '../../../pipelines/contract/log.ts'
import { fakeCode } from '../../fakes/compiler.ts'
import { DENIALS_TARGET, rolloutEndKey } from '../../../pipelines/contract/object-keys.ts'
import type { RolloutEnd } from '../../../pipelines/rollout/state.ts'
import { freshSigner, forger, signJson } from '../../fakes/forger.ts'
import { tableOf } from '../../fakes/init-repository.ts'
import { CODE, type Fleet, manifestOf, nodeFleet } from '../../fakes/node-fleet.ts'
import { testElf } from '../../fakes/test-elf.ts'

const storeOf = (objects: Map<string, Uint8Array>) => ({ get: async (key: string) => objects.get(key) })

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

test('how a rollout ended, by the director’s word; another’s word is a break', () =>
  withFleet(async (fleet) => {
    const { store, published } = fleet
    const artifact = await fleet.artifact('one')
    await published.release('canary', 1, artifact)
    const end: RolloutEnd = {
      schema: 'heddle.rollout-end/1',
      ...{ id: 'rollout-1', number: 1, commit: 'c'.repeat(40), artifact, kind: 'release', ring: 'canary' },
      ...{ outcome: 'rolled-back', why: '5xx share 0.4 is above 0.01', begunAt: 0, endedAt: 1_000 },
    }
    const put = async (said: object, keys = published.keys.release) => {
      const envelope = await signStatement(PAYLOAD_TYPES.rolloutEnd, said, keys)
      store.objects.set(rolloutEndKey(1, 'rolled-back'), envelope)
    }
    await put(end)
    const [rollout] = rolloutsOf(await historyOf(fleet))
    assert.deepEqual(
      [rollout?.end, rollout?.why, rollout?.ended],
      ['rolled-back', 'ring canary: 5xx share 0.4 is above 0.01', '1970-01-01T00:00:01.000Z'],
    )
    await put(end, published.keys.policy)
    assert.equal((await historyOf(fleet)).broken?.link, 'ends of rollouts')
    await put({ ...end, number: 2 })
    assert.equal((await historyOf(fleet)).broken?.code, 'artifact-untrusted')
  }))

test('an artifact that was taken back, and is released again all the same', () =>
  withFleet(async (fleet) => {
    const { published } = fleet
    const [one, two] = [await fleet.artifact('one'), await fleet.artifact('two')]
    await release(fleet, 1, one)
    await release(fleet, 2, two)
    const denials = { schema: 'heddle.denials/1', denied: [two] }
    const bytes = await signStatement(PAYLOAD_TYPES.denials, denials, published.keys.release)
    await published.repository.update(() => ({ release: { put: [{ path: DENIALS_TARGET, bytes }] } }))
    await release(fleet, 3, one)
    assert.equal((await historyOf(fleet)).broken, null)
    await release(fleet, 4, two)
    assert.equal((await historyOf(fleet)).broken?.code, 'artifact-denied')
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
