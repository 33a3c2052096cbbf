import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fractions } from '../fakes/random.ts'
import { openPolicy } from '../fakes/policies.ts'
import { storeStatuses } from '../../functions/adapters/store-statuses.ts'
import type { Target } from '../../functions/trust/repository.ts'
import { BUNDLES, bundleFunctions } from '../../infra/cloud/bundle.ts'
import { checkoutCode } from '../../infra/trust/checkout-code.ts'
import type { FunctionName } from '../../infra/cloud/functions.ts'
import { deadKey } from '../../pipelines/contract/object-keys.ts'
import { deployLambdas, type LambdaDeployment } from '../fakes/lambda-deployment.ts'
import { ricAbsent } from '../fakes/lambda-runtime.ts'
import { type Chances, type Mishap, LambdaWorld } from '../fakes/lambda-world.ts'
import { policyRepository } from '../fakes/policy-repository.ts'

const SEED = 20261123
const DEEP = process.env['HEDDLE_DEEP'] === '1'
const WORLDS = DEEP ? 40 : 1
/** Mishaps of chance in one world; most cost the start of another environment. */
const MAX_MISHAPS = DEEP ? 12 : 0

const broken = {
  'policies/broken.yaml':
    'apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nspec: {endpointSelectr: {}}\n',
}

/** What each stage's first invocations suffer, in every world: around the step that the next stage hangs on. */
const mishapsOfStages = (): Partial<Record<FunctionName, Mishap[]>> => ({
  // As often as there are events, so that none gets away.
  validate: Array<Mishap>(4).fill({ when: 'refused', call: 'SendMessage' }),
  compile: [{ when: 'before', call: 'SendMessage' }],
  sign: [{ when: 'after', call: 'SendMessage' }],
  publish: [{ when: 'before', call: 'SendMessage' }, 'done'],
  rollout: [{ when: 'after', call: 'Sign' }, 'taken', { when: 'refused', call: 'Sign' }],
})

/** Any order, one message in five again, and in one invocation of four a mishap until there were enough. */
function chancesOf(seed: number): Chances {
  const next = fractions(seed)
  const pick = (count: number) => Math.floor(next() * count)
  const calls = (['SendMessage', 'Sign', 'Decrypt'] as const).flatMap((call) =>
    (['before', 'after', 'refused'] as const).map((when) => ({ when, call })),
  )
  const kinds: Mishap[] = ['taken', 'done', ...calls]
  const first = mishapsOfStages()
  let left = MAX_MISHAPS
  return {
    pick,
    again: () => next() < 0.2,
    mishap(name) {
      const planned = first[name]?.shift()
      if (planned !== undefined || left === 0 || next() >= 0.25) return planned
      left--
      return kinds[pick(kinds.length)]
    },
  }
}

describe('the functions on Lambda', { skip: ricAbsent() }, () => {
  let directory = ''
  let code: Target[] = []
  let commits: string[] = []
  const open: LambdaDeployment[] = []

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'heddle-lambda-policies-'))
    commits = await policyRepository(directory, [
      openPolicy('api'),
      { ...openPolicy('api'), ...broken },
      { ...openPolicy('api'), ...openPolicy('web') },
    ])
    await bundleFunctions(BUNDLES)
    code = await checkoutCode()
  })
  after(async () => {
    for (const deployment of open) await deployment.close()
    await rm(directory, { recursive: true, force: true })
  })

  async function deploy(): Promise<LambdaWorld> {
    const deployment = await deployLambdas(directory, code)
    open.push(deployment)
    return new LambdaWorld(deployment, commits)
  }

  /** A webhook for the newest commit, and the older ones that still wait. */
  async function push(world: LambdaWorld): Promise<void> {
    assert.equal(await world.webhook(), 202)
    for (const commit of commits) world.send('validate', { stage: 'validate', commit })
  }

  let undisturbed: LambdaWorld | undefined
  let expected: Awaited<ReturnType<LambdaWorld['outcome']>> | undefined

  it('take a push from the webhook through every ring', async () => {
    const world = await deploy()
    undisturbed = world
    assert.equal(await world.webhook('not the secret'), 401)
    await push(world)
    await world.settle()
    expected = await world.outcome()
    const [good, bad, better] = expected.statuses
    assert.deepEqual([better?.state, better?.stage], ['success', 'done'])
    assert.deepEqual([bad?.state, bad?.stage], ['failure', 'refused'])
    assert.ok(good?.stage === 'done' || good?.stage === 'superseded', good?.stage)
    const taken = { commit: commits[2], artifact: better?.artifact }
    assert.deepEqual(expected.rings, { 'ring-0': taken, 'ring-1': taken })
    assert.ok(world.deployment.functions.receive.output.includes('Executing'), 'the runtime client ran it')
  })

  it('change nothing by the clock when all is delivered and fresh', async () => {
    assert.ok(undisturbed !== undefined)
    assert.deepEqual(await undisturbed.wake('reconcile'), { response: null })
    await undisturbed.settle()
    assert.deepEqual(await undisturbed.wake('refresh'), { response: { changed: false } })
    assert.deepEqual(await undisturbed.outcome(), expected)
  })

  it('tell the people who pushed when an event is given up, and keep it', async () => {
    assert.ok(undisturbed !== undefined)
    const commit = 'd'.repeat(40)
    const event = { stage: 'compile', commit, validated: `sha256:${'0'.repeat(64)}` }
    for (let time = 0; time < 2; time++)
      assert.deepEqual(await undisturbed.bury(event), { response: { batchItemFailures: [] } })
    const { store } = undisturbed.deployment
    const status = await storeStatuses(store).get(commit)
    assert.deepEqual([status?.state, status?.stage], ['error', 'refused'])
    const kept = await store.get(deadKey('compile', 'dead-1'), 10_000)
    assert.deepEqual(JSON.parse(Buffer.from(kept?.bytes ?? []).toString()), event)
  })

  for (let world = 0; world < WORLDS; world++) {
    it(`end the same when events come again, in any order, through kills and refusals (seed ${SEED + world})`, async () => {
      const disturbed = await deploy()
      await push(disturbed)
      await disturbed.settle(chancesOf(SEED + world))
      assert.ok(disturbed.kills >= 5, `${disturbed.kills} environments were killed`)
      const { rings, published, statuses } = await disturbed.outcome()
      assert.deepEqual({ rings, published }, { rings: expected?.rings, published: expected?.published })
      assert.deepEqual(statuses.slice(1), expected?.statuses.slice(1))
      // Whether the first one was released before the last one came is a matter of order.
      assert.match(statuses[0]?.stage ?? 'lost', /^(done|superseded)$/)
    })
  }
})
