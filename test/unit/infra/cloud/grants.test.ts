import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { openPolicy } from '../../../fakes/policies.ts'
import { storeStatuses } from '../../../../functions/adapters/store-statuses.ts'
import { composeFunctions, type Functions, type Parts } from '../../../../functions/compose.ts'
import type { ObjectStore, Queue } from '../../../../functions/ports.ts'
import { Repository } from '../../../../functions/trust/repository.ts'
import type { OnlineKeys } from '../../../../functions/trust/roles.ts'
import { SIGNERS } from '../../../../infra/cloud/deployment.ts'
import { type CloudFunction, FUNCTIONS, type FunctionName } from '../../../../infra/cloud/functions.ts'
import type { StageName } from '../../../../pipelines/contract/events.ts'
import { DELIVERY } from '../../../../pipelines/delivery.ts'
import { deliveryWorld } from '../../../fakes/delivery-world.ts'

/** What was done with which grant; a grant that nobody needs is one too many. */
type Used = Set<string>

/** As IAM does: * stands for anything, slashes too. */
const fits = (pattern: string, key: string) =>
  new RegExp(`^${pattern.replaceAll(/[.]/g, '\\.').replaceAll('*', '.*')}$`).test(key)

function guarded(name: FunctionName, store: ObjectStore, used: Used): ObjectStore {
  const check = (what: 'reads' | 'writes', key: string) => {
    const patterns: readonly string[] = FUNCTIONS[name][what]
    const pattern = patterns.find((each) => fits(each, key))
    assert.ok(pattern !== undefined, `${name} has no grant: ${what} ${key}`)
    used.add(`${name} ${what} ${pattern}`)
  }
  return {
    get(key, maxBytes) {
      check('reads', key)
      return store.get(key, maxBytes)
    },
    create(key, bytes) {
      check('writes', key)
      return store.create(key, bytes)
    },
    replace(key, bytes, ifVersion) {
      check('writes', key)
      return store.replace(key, bytes, ifVersion)
    },
  }
}

function grantedQueue(name: FunctionName, queue: Queue, used: Used): Queue {
  return {
    send(event, delayMs) {
      const granted: readonly StageName[] = FUNCTIONS[name].sends
      assert.ok(granted.includes(event.stage), `${name} may not send to ${event.stage}`)
      used.add(`${name} sends ${event.stage}`)
      return queue.send(event, delayMs)
    },
  }
}

/** Each key only where the table has it; the others' roles have no signer. */
function grantedKeys(name: FunctionName, keys: OnlineKeys): OnlineKeys {
  const granted: readonly string[] = FUNCTIONS[name].keys
  const entries = SIGNERS.map((role) => [
    role,
    granted.includes(role) ? keys[role] : { signers: [], threshold: 1 },
  ])
  return Object.fromEntries(entries) as OnlineKeys
}

function grantedParts(name: FunctionName, parts: Parts, used: Used): Parts {
  const store = guarded(name, parts.store, used)
  const forbidden = new Proxy(parts.forge, {
    get: () => assert.fail(`${name} may not ask the forge`),
  })
  return {
    ...parts,
    store,
    statuses: storeStatuses(store),
    queue: grantedQueue(name, parts.queue, used),
    keys: grantedKeys(name, parts.keys),
    forge: FUNCTIONS[name].asksForge ? parts.forge : forbidden,
  }
}

describe('the grants of the cloud’s functions', () => {
  it('are enough for a push through every ring, and none of them is too many', async () => {
    const used: Used = new Set()
    let opened: Parts | undefined
    const compose = (parts: Parts): Functions => {
      opened = parts
      const stages = (Object.keys(DELIVERY) as StageName[]).map((stage) => [
        stage,
        composeFunctions(grantedParts(stage, parts, used)).stages[stage],
      ])
      const received = composeFunctions(grantedParts('receive', parts, used))
      return { ...received, stages: Object.fromEntries(stages) as Functions['stages'] }
    }
    const world = await deliveryWorld(undefined, compose)
    const commit = world.forge.commit({ ...openPolicy('api'), ...openPolicy('web') })
    world.forge.push(commit)
    assert.ok(opened !== undefined)
    const scheduled = grantedParts('reconcile', opened, used)
    await composeFunctions(scheduled).reconcile()
    await world.settle()
    assert.equal((await storeStatuses(world.store).get(commit))?.stage, 'done')

    const refresh = grantedParts(
      'refresh',
      { ...opened, clock: { now: () => new Date('2026-12-12T00:00:00Z') } },
      used,
    )
    assert.equal(await new Repository(refresh).refresh(), true)

    assert.deepEqual(unused(used), [
      // No webhook comes, and nothing fails.
      'receive sends validate',
      'sign reads statuses/*.json',
      'sign writes statuses/*.json',
      // Nor is there a pull request.
      'plan sends post',
      'plan reads blobs/*',
      'plan reads plans/*',
      'plan writes plans/*',
      'post reads statuses/*.json',
      'post reads plans/*',
      'bury reads statuses/*.json',
      'bury writes statuses/*.json',
      'bury writes dead/*/*.json',
    ])
  })
})

function unused(used: Used): string[] {
  return Object.entries(FUNCTIONS as Record<string, CloudFunction>).flatMap(([name, spec]) =>
    (['sends', 'reads', 'writes'] as const).flatMap((what) =>
      spec[what].map((each) => `${name} ${what} ${each}`).filter((grant) => !used.has(grant)),
    ),
  )
}
