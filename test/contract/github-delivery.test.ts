/** The whole way over a GitHub on loopback: webhook, delivery, plan, posts, and what somebody may try. */
import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import type { APIGatewayProxyEventV2 } from 'aws-lambda'
import { octokitParts } from '../../functions/adapters/octokit-parts.ts'
import { composeFunctions } from '../../functions/compose.ts'
import type { Posts } from '../../functions/ports.ts'
import { signatureOf } from '../../functions/receive/webhook-signature.ts'
import { Failure } from '../../pipelines/contract/failures.ts'
import { Provenance } from '../../pipelines/contract/provenance.ts'
import { deliveryWorld, type World } from '../fakes/delivery-world.ts'
import { type GithubServer, githubServer, REPOSITORY } from '../fakes/github-server.ts'
import { memoryKeys } from '../fakes/keys.ts'

const keys = memoryKeys()
const repository = { full_name: REPOSITORY }
const PUSH = { ref: 'refs/heads/main', repository }

const policy = (name: string, path = '/public') => ({
  [`policies/${name}.yaml`]: JSON.stringify({
    apiVersion: 'cilium.io/v2',
    kind: 'CiliumNetworkPolicy',
    metadata: { name, namespace: 'shop' },
    spec: {
      endpointSelector: { matchLabels: { app: name } },
      ingress: [{ toPorts: [{ ports: [{ port: '80', protocol: 'TCP' }], rules: { http: [{ path }] } }] }],
    },
  }),
})
const broken = {
  'policies/b.yaml': 'apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nspec: {endpointSelectr: {}}\n',
}

let server: GithubServer
let world: World
beforeEach(async () => {
  server = await githubServer()
  world = await worldOn(octokitParts(server.settings))
})
afterEach(() => server.close())

const worldOn = (forge: ReturnType<typeof octokitParts>) =>
  deliveryWorld(keys, (parts) => composeFunctions({ ...parts, ...forge }))

async function hook(event: string, payload: object): Promise<number | undefined> {
  const body = Buffer.from(JSON.stringify(payload))
  const headers = { 'x-github-event': event, 'x-hub-signature-256': signatureOf(body, 'secret') }
  const request = { headers, body: body.toString('base64'), isBase64Encoded: true }
  return (await world.functions.receive(request as unknown as APIGatewayProxyEventV2)).statusCode
}
const pulled = (action: string, number: number, more: object = {}) =>
  hook('pull_request', { action, number, repository, pull_request: { base: { ref: 'main' }, ...more } })

/** A delivered first commit. */
async function delivered(): Promise<string> {
  const first = server.repository.commit(policy('api'))
  server.repository.push(first)
  await hook('push', PUSH)
  await world.settle()
  return first
}
const released = async (ring = 'ring-1') => (await world.outcome()).rings[ring] as { commit?: string }
const stages = () => world.waiting.map(({ event }) => event.stage)

describe('a push to GitHub', () => {
  it('is delivered, and its end stands on the commit', async () => {
    const first = await delivered()
    assert.equal((await released()).commit, first)
    const last = server.repository.statuses.get(first)?.at(-1)
    assert.deepEqual([last?.context, last?.state], ['heddle/delivery', 'success'])
  })

  it('that is refused says so on the commit, each reason on its line', async () => {
    const first = await delivered()
    const bad = server.repository.commit({ ...policy('api'), ...broken }, first)
    server.repository.push(bad)
    await hook('push', PUSH)
    await world.settle()
    assert.equal(server.repository.statuses.get(bad)?.at(-1)?.state, 'failure')
    const [run] = server.repository.runs.filter(({ head_sha }) => head_sha === bad)
    assert.equal(run?.conclusion, 'failure')
    assert.ok(run?.annotations.some(({ path, start_line }) => path === 'policies/b.yaml' && start_line === 3))
  })

  it('carries who approved it into the signed provenance', async () => {
    const first = await delivered()
    const head = server.repository.commit({ ...policy('api'), ...policy('web') }, first)
    server.repository.open(3, head)
    server.repository.reviews.set(3, [
      { user: { login: 'ann' }, state: 'APPROVED', commit_id: head, author_association: 'OWNER' },
    ])
    server.repository.merge(3, head)
    await pulled('closed', 3, { merged: true })
    await world.settle()
    const approvals = [{ by: 'ann', commit: head, outdated: false }]
    assert.deepEqual(await reviewIn(head), { pull: 3, head, rule: 'none', approvals })
  })
})

/** Of the envelope whose statement names the commit. */
async function reviewIn(commit: string): Promise<unknown> {
  for (const bytes of world.store.objects.values()) {
    const text = Buffer.from(bytes).toString('utf8')
    if (!text.startsWith('{"payload":')) continue
    const statement = JSON.parse(
      Buffer.from((JSON.parse(text) as { payload: string }).payload, 'base64').toString(),
    )
    const read = Provenance.safeParse(statement)
    if (!read.success) continue
    const { externalParameters, internalParameters } = read.data.predicate.buildDefinition
    if (externalParameters.commit === commit) return internalParameters?.review
  }
  return undefined
}

describe('attacks over the forge', () => {
  it('a replayed or redelivered webhook changes nothing', async () => {
    const first = await delivered()
    const before = await world.outcome()
    for (let times = 0; times < 3; times++) assert.equal(await hook('push', PUSH), 202)
    await world.settle()
    assert.deepEqual(await world.outcome(), before)
    assert.equal((await released()).commit, first)
  })

  it('reordered webhooks end with the head of now', async () => {
    const first = await delivered()
    const second = server.repository.commit({ ...policy('api'), ...policy('web') }, first)
    server.repository.push(second)
    await hook('push', { ...PUSH, after: second })
    await hook('push', { ...PUSH, after: first })
    await world.send({ stage: 'validate', commit: first })
    await world.settle({ pick: (count) => count - 1, again: () => false })
    assert.equal((await released()).commit, second)
  })

  it('a forced push is delivered as the new head, and its status says what it replaces', async () => {
    const first = await delivered()
    const forced = server.repository.commit(policy('web'))
    server.repository.push(forced)
    await hook('push', { ...PUSH, forced: true })
    await world.settle()
    assert.equal((await released()).commit, forced)
    assert.equal(world.statuses.posted.get(forced)?.replaces, first)
    const last = server.repository.statuses.get(forced)?.at(-1)
    assert.match(last?.description ?? '', new RegExp(`forced: the branch left ${first.slice(0, 12)}`))
  })

  it('a push that goes on from what is delivered replaces nothing', async () => {
    const first = await delivered()
    const second = server.repository.commit(policy('web'), first)
    server.repository.push(second)
    await hook('push', PUSH)
    await world.settle()
    assert.equal(world.statuses.posted.get(second)?.replaces, undefined)
  })

  it('a deleted branch leaves the last release where it is', async () => {
    const first = await delivered()
    server.repository.push(undefined)
    await hook('push', { ...PUSH, deleted: true })
    await world.functions.reconcile()
    await world.settle()
    assert.equal((await released()).commit, first)
    assert.equal(world.statuses.posted.get(first)?.stage, 'done')
  })

  it('a pull request from a fork is planned, and never built, signed or published', async () => {
    const first = await delivered()
    const before = (await world.outcome()).published
    const seen = new Set<string>()
    const evil = server.repository.commit({ ...policy('api', '/.*'), ...policy('evil') }, first)
    server.repository.open(9, evil, true)
    await pulled('opened', 9)
    while (world.waiting.length > 0) {
      for (const stage of stages()) seen.add(stage)
      await world.settle({ pick: () => 0, again: () => false })
    }
    assert.deepEqual((await world.outcome()).published, before)
    assert.equal(world.statuses.posted.get(evil), undefined)
    assert.equal(seen.has('compile') || seen.has('publish'), false)
    assert.equal(server.repository.comments.length, 1)
  })

  it('a pull request whose head is what is delivered does not touch its status', async () => {
    const first = await delivered()
    const before = world.statuses.posted.get(first)
    server.repository.open(5, first, true)
    await pulled('opened', 5)
    await world.settle()
    assert.deepEqual(world.statuses.posted.get(first), before)
  })
})

describe('a pull request', () => {
  it('gets one comment and a check, of its newest head', async () => {
    const first = await delivered()
    const one = server.repository.commit({ ...policy('api'), ...policy('web') }, first)
    const pull = server.repository.open(4, one)
    await pulled('opened', 4)
    await world.settle()
    const two = server.repository.commit({ ...policy('api', '/public|/private') }, one)
    pull.head.sha = two
    await pulled('synchronize', 4)
    await world.send({ stage: 'validate', commit: one, pull: 4 })
    await world.settle()
    const { comments, runs } = server.repository
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
  })

  it('that would be refused is told so on its lines', async () => {
    const first = await delivered()
    server.repository.open(4, server.repository.commit(broken, first))
    await pulled('opened', 4)
    await world.settle()
    const [run] = server.repository.runs
    assert.deepEqual([run?.conclusion, run?.annotations[0]?.path], ['failure', 'policies/b.yaml'])
  })

  it('is planned by the reconciler when its webhook was lost', async () => {
    const first = await delivered()
    server.repository.open(4, server.repository.commit(policy('web'), first))
    await world.functions.reconcile()
    await world.settle()
    assert.equal(server.repository.comments.length, 1)
    await world.functions.reconcile()
    assert.deepEqual(stages(), ['rollout'])
  })
})

describe('a forge that takes no posts', () => {
  it('delays the posts alone', async () => {
    const down = async () => {
      if ((await released('ring-0')).commit === undefined) throw new Failure('forge-unavailable', 'down')
    }
    const parts = octokitParts(server.settings)
    const status: Posts['status'] = async (commit, told) => {
      await down()
      return parts.posts.status(commit, told)
    }
    world = await worldOn({ ...parts, posts: { ...parts.posts, status } })
    const first = await delivered()
    assert.equal((await released()).commit, first)
    assert.equal(server.repository.statuses.get(first)?.at(-1)?.state, 'success')
  })

  it('turns no delivery into a failure by never taking any', async () => {
    const first = await delivered()
    const before = world.statuses.posted.get(first)
    await world.functions.giveUp(
      { stage: 'post', subject: { kind: 'status', commit: first } },
      new Failure('delivery-exhausted', 'post did not succeed'),
    )
    assert.deepEqual(world.statuses.posted.get(first), before)
  })
})
