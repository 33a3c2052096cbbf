/**
 * kill -9 between any two acts while the routes of a node change with a release, a client and a service at once:
 * whoever reads them finds those that the active manifest says, and the next start completes them.
 */
import assert from 'node:assert/strict'
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { restore } from '../../agent/confirm.ts'
import { reconcile } from '../../agent/reconcile.ts'
import { memoryKernel } from '../fakes/memory-kernel.ts'
import {
  checkReaders,
  routedBy,
  type RoutedFleet,
  routedFleet,
  service,
  watchedKernel,
} from '../fakes/routed-fleet.ts'

/** By default every n-th act; odd, so that both sides of an act have their turn. */
const STEP = process.env['HEDDLE_DEEP'] === '1' ? 1 : 3

let fleet: RoutedFleet
let scratch: string

before(async () => {
  fleet = await routedFleet()
  scratch = await mkdtemp(join(tmpdir(), 'heddle-routes-'))
  await fleet.release(6, 'two')
  await fleet.pass()
  await fleet.release(7, 'three')
  fleet.addWorkload('report-1', 'data')
  // An address leads elsewhere from now on.
  fleet.services.splice(0, 1, service('db', '10.96.0.1'))
})
after(async () => {
  await fleet.close()
  await rm(scratch, { recursive: true, force: true })
})

test('killed between any two acts while routes change', async () => {
  let [died, acts] = [true, 0]
  for (; died; acts += STEP) {
    const directory = await mkdtemp(join(scratch, 'node-'))
    await cp(fleet.directory, directory, { recursive: true })
    let done = 0
    const act = () => {
      if (done++ >= acts) throw new Error('dead')
    }
    const dying = memoryKernel({ before: act, after: act }, structuredClone(fleet.kernel.content))
    dying.cgroups = fleet.kernel.cgroups
    const mortal = await fleet.node({ directory, kernel: dying, before: act })
    await restore(mortal).catch(() => {})
    await reconcile(mortal, 0)
    died = done > acts

    const { kernel, watch } = watchedKernel({ ...fleet, kernel: dying })
    const next = await fleet.node({ directory, kernel })
    checkReaders(next, kernel, `after ${acts} acts`)
    watch(next)
    await restore(next)
    await reconcile(next, 0)
    assert.equal(routedBy(kernel), 'three', `after ${acts} acts`)
    assert.ok(checkReaders(next, kernel, `after ${acts} acts and a start`) > 0)
    await rm(directory, { recursive: true })
  }
  assert.ok(acts > 60, `only ${acts} acts`)
})
