/** The whole way over a GitHub on loopback: webhook, delivery, plan, posts, and what somebody may try. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Failure } from '../../pipelines/contract/failures.ts'
import { PUSH, policy, Scene, scene } from '../fakes/github-scene.ts'

/** They wait for answers, not for the processor. */
const CONCURRENT = { concurrency: true }
const broken = {
  'policies/b.yaml': 'apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nspec: {endpointSelectr: {}}\n',
}

describe('a push to GitHub', CONCURRENT, () => {
  it(
    'is delivered, and its end stands on the commit',
    scene(async (at) => {
      const first = await at.delivered()
      assert.equal(await at.released(), first)
      const last = at.server.repository.statuses.get(first)?.at(-1)
      assert.deepEqual([last?.context, last?.state], ['heddle/delivery', 'success'])
    }),
  )

  it(
    'that is refused says so on the commit, each reason on its line',
    scene(async (at) => {
      const first = await at.delivered()
      const bad = at.server.repository.commit({ ...policy('api'), ...broken }, first)
      at.server.repository.push(bad)
      await at.hook('push', PUSH)
      await at.world.settle()
      assert.equal(at.server.repository.statuses.get(bad)?.at(-1)?.state, 'failure')
      const [run] = at.server.repository.runs.filter(({ head_sha }) => head_sha === bad)
      assert.equal(run?.conclusion, 'failure')
      assert.ok(
        run?.annotations.some(({ path, start_line }) => path === 'policies/b.yaml' && start_line === 3),
      )
    }),
  )

  it(
    'carries who approved it into the signed provenance',
    scene(async (at) => {
      const first = await at.delivered()
      const head = at.server.repository.commit({ ...policy('api'), ...policy('web') }, first)
      at.server.repository.open(3, head)
      at.server.repository.reviews.set(3, [
        { user: { login: 'ann' }, state: 'APPROVED', commit_id: head, author_association: 'OWNER' },
      ])
      at.server.repository.merge(3, head)
      await at.pulled('closed', 3, { merged: true })
      await at.world.settle()
      const approvals = [{ by: 'ann', commit: head, outdated: false }]
      assert.deepEqual(await at.review(head), { pull: 3, head, rule: 'none', approvals })
    }),
  )
})

describe('attacks over the forge', CONCURRENT, () => {
  it(
    'a replayed or redelivered webhook changes nothing',
    scene(async (at) => {
      const first = await at.delivered()
      const before = await at.world.outcome()
      for (let times = 0; times < 3; times++) assert.equal(await at.hook('push', PUSH), 202)
      await at.world.settle()
      assert.deepEqual(await at.world.outcome(), before)
      assert.equal(await at.released(), first)
    }),
  )

  it(
    'reordered webhooks end with the head of now',
    scene(async (at) => {
      const first = await at.delivered()
      const second = at.server.repository.commit({ ...policy('api'), ...policy('web') }, first)
      at.server.repository.push(second)
      await at.hook('push', { ...PUSH, after: second })
      await at.hook('push', { ...PUSH, after: first })
      await at.world.send({ stage: 'validate', commit: first })
      await at.world.settle({ pick: (count) => count - 1, again: () => false })
      assert.equal(await at.released(), second)
    }),
  )

  it(
    'a forced push is delivered as the new head, and its status says what it replaces',
    scene(async (at) => {
      const first = await at.delivered()
      const forced = at.server.repository.commit(policy('web'))
      at.server.repository.push(forced)
      await at.hook('push', { ...PUSH, forced: true })
      await at.world.settle()
      assert.equal(await at.released(), forced)
      assert.equal(at.world.statuses.posted.get(forced)?.replaces, first)
      const last = at.server.repository.statuses.get(forced)?.at(-1)
      assert.match(last?.description ?? '', new RegExp(`forced: the branch left ${first.slice(0, 12)}`))
    }),
  )

  it(
    'a push that goes on from what is delivered replaces nothing',
    scene(async (at) => {
      const first = await at.delivered()
      const second = at.server.repository.commit(policy('web'), first)
      at.server.repository.push(second)
      await at.hook('push', PUSH)
      await at.world.settle()
      assert.equal(at.world.statuses.posted.get(second)?.replaces, undefined)
    }),
  )

  it(
    'a deleted branch leaves the last release where it is',
    scene(async (at) => {
      const first = await at.delivered()
      at.server.repository.push(undefined)
      await at.hook('push', { ...PUSH, deleted: true })
      await at.world.functions.reconcile()
      await at.world.settle()
      assert.equal(await at.released(), first)
      assert.equal(at.world.statuses.posted.get(first)?.stage, 'done')
    }),
  )

  it(
    'a pull request from a fork is planned, and never built, signed or published',
    scene(async (at) => {
      const first = await at.delivered()
      const before = (await at.world.outcome()).published
      const seen = new Set<string>()
      const evil = at.server.repository.commit({ ...policy('api', '/.*'), ...policy('evil') }, first)
      at.server.repository.open(9, evil, true)
      await at.pulled('opened', 9)
      while (at.world.waiting.length > 0) {
        for (const stage of at.stages()) seen.add(stage)
        await at.world.settle({ pick: () => 0, again: () => false })
      }
      assert.deepEqual((await at.world.outcome()).published, before)
      assert.equal(at.world.statuses.posted.get(evil), undefined)
      assert.equal(seen.has('compile') || seen.has('publish'), false)
      assert.equal(at.server.repository.comments.length, 1)
    }),
  )

  it(
    'a pull request whose head is what is delivered does not touch its status',
    scene(async (at) => {
      const first = await at.delivered()
      const before = at.world.statuses.posted.get(first)
      at.server.repository.open(5, first, true)
      await at.pulled('opened', 5)
      await at.world.settle()
      assert.deepEqual(at.world.statuses.posted.get(first), before)
    }),
  )
})

describe('a pull request', CONCURRENT, () => {
  it(
    'gets one comment and a check, of its newest head',
    scene(async (at) => {
      const first = await at.delivered()
      const one = at.server.repository.commit({ ...policy('api'), ...policy('web') }, first)
      const pull = at.server.repository.open(4, one)
      await at.pulled('opened', 4)
      await at.world.settle()
      const two = at.server.repository.commit({ ...policy('api', '/public|/private') }, one)
      pull.head.sha = two
      await at.pulled('synchronize', 4)
      await at.world.send({ stage: 'validate', commit: one, pull: 4 })
      await at.world.settle()
      const { comments, runs } = at.server.repository
      assert.equal(comments.length, 1)
      assert.match(comments[0]?.body ?? '', new RegExp(two.slice(0, 12)))
      assert.match(comments[0]?.body ?? '', /changed: policy `shop\/api`/)
      assert.match(
        comments[0]?.body ?? '',
        /\*\*Opens\*\*\n- `everyone` → `app=api in shop` at `80\/TCP`.*`any method \/public\|\/private`/,
      )
      const checks = runs.filter(({ name }) => name === 'heddle/plan')
      assert.deepEqual(
        checks.map(({ head_sha, conclusion }) => [head_sha, conclusion]),
        [
          [one, 'success'],
          [two, 'success'],
        ],
      )
    }),
  )

  it(
    'that would be refused is told so on its lines',
    scene(async (at) => {
      const first = await at.delivered()
      at.server.repository.open(4, at.server.repository.commit(broken, first))
      await at.pulled('opened', 4)
      await at.world.settle()
      const [run] = at.server.repository.runs
      assert.deepEqual([run?.conclusion, run?.annotations[0]?.path], ['failure', 'policies/b.yaml'])
    }),
  )

  it(
    'is planned by the reconciler when its webhook was lost',
    scene(async (at) => {
      const first = await at.delivered()
      at.server.repository.open(4, at.server.repository.commit(policy('web'), first))
      await at.world.functions.reconcile()
      await at.world.settle()
      assert.equal(at.server.repository.comments.length, 1)
      await at.world.functions.reconcile()
      assert.deepEqual(at.stages(), ['rollout'])
    }),
  )
})

describe('a forge that takes no posts', CONCURRENT, () => {
  const afterRelease = () => Scene.open(async (at) => (await at.released('ring-0')) !== undefined)
  const delays = scene(async (at) => {
    const first = await at.delivered()
    assert.equal(await at.released(), first)
    assert.equal(at.server.repository.statuses.get(first)?.at(-1)?.state, 'success')
  }, afterRelease)
  it('delays the posts alone', delays)

  it(
    'turns no delivery into a failure by never taking any',
    scene(async (at) => {
      const first = await at.delivered()
      const before = at.world.statuses.posted.get(first)
      await at.world.functions.giveUp(
        { stage: 'post', subject: { kind: 'status', commit: first } },
        new Failure('delivery-exhausted', 'post did not succeed'),
      )
      assert.deepEqual(at.world.statuses.posted.get(first), before)
    }),
  )
})
