/** Routes of a node: whoever reads them finds those that the manifest says, whenever that is. */
import assert from 'node:assert/strict'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { restore } from '../../../agent/confirm.ts'
import { reconcile } from '../../../agent/reconcile.ts'
import { REST_MS } from '../../../agent/service-runs.ts'
import { publishServices } from '../../../agent/services.ts'
import { STATE_FILE } from '../../../agent/state.ts'
import { Limit } from '../../../bpf/abi/heddle.gen.ts'
import type { Fleet } from '../../fakes/node-fleet.ts'
import {
  checkReaders,
  entry,
  port,
  type RoutedFleet,
  routedFleet,
  service,
  watchedKernel,
} from '../../fakes/routed-fleet.ts'

let fleet: RoutedFleet
let elapsed: number
const clock = { now: () => fleet.clock.now().getTime(), elapsed: () => elapsed }
const node = (options: Parameters<Fleet['node']>[0] = {}) => fleet.node({ clock, ...options })

beforeEach(async () => {
  elapsed = 0
  fleet = await routedFleet()
})
afterEach(() => fleet.close())

/** What the active slot has. */
function active() {
  const { active: now, slots } = fleet.kernel.content
  return slots[now?.slot ?? -1]
}

describe('routes of a node', () => {
  test('are whole before the flip, with numbers for what is no service yet', async () => {
    await fleet.release(6, 'two')
    const { calls, content } = fleet.kernel
    const report = await fleet.pass()
    assert.deepEqual([report.outcome, report.failure], ['enforced', null])
    assert.deepEqual(active()?.routes, {
      choices: [
        { service: 1, identity: 0, set: 0, own: false },
        { service: 2, identity: 0, set: null, own: false },
      ],
      backends: [3, 1, 2],
    })
    const slot = content.active?.slot
    const [stage, routes, flip] = ['stage', 'setRoutes', 'flip'].map((call) =>
      calls.lastIndexOf(`${call} ${slot}`),
    )
    assert.equal(calls.indexOf(`setRoutes ${slot}`), (stage ?? 0) + 1)
    assert.ok((stage ?? 0) < (flip ?? 0) && (routes ?? -1) > 0)
  })

  test('follow workloads, services and releases: no reader finds others, at any act', async () => {
    const { kernel, watch, asked } = watchedKernel(fleet)
    const running = await node({ kernel })
    await reconcile(running, 0)
    watch(running)
    const add = (...added: ReturnType<typeof service>[]) => fleet.services.push(...added)
    const web = service('web', '10.96.0.2')
    const steps: [string, () => unknown][] = [
      ['a release with routes', () => fleet.release(6, 'two')],
      ['a client with routes of its own', () => fleet.addWorkload('report-1', 'data')],
      ['another one', () => fleet.addWorkload('report-2', 'data')],
      ['a client without', () => fleet.addWorkload('other-1', 'other')],
      ['what was only sent to becomes a service', () => add(service('later', '10.96.0.3'))],
      ['services go', () => fleet.services.splice(0, 3, web)],
      ['another one takes an address', () => add(service('db', '10.96.0.1'))],
      ['a client goes', () => fleet.workloads.splice(2, 1)],
      ['its number is given to another', () => fleet.addWorkload('web-3', 'shop')],
      ['other routes', () => fleet.release(7, 'three')],
      ['none', () => fleet.release(8, 'one')],
      ['the first are unloaded', () => fleet.release(9, 'three')],
      ['numbers are given again', () => add(service('cart', '10.96.0.4'), service('last', '10.96.0.7'))],
    ]
    for (const [name, change] of steps) {
      await change()
      // What went rests, and is free in the pass behind that.
      for (let pass = 0; pass < 2; pass++) {
        elapsed += REST_MS
        await reconcile(running, 0)
        assert.equal(fleet.reports.at(-1)?.failure ?? null, null, name)
        checkReaders(running, kernel, name)
      }
    }
    assert.ok(asked() > 500, `asked ${asked()}`)
    const { services, identities } = running.state.current
    const numberOf = (name: string) => services.find((each) => each.service === name)?.number ?? 0
    assert.ok(numberOf('shop/last:80') < numberOf('shop/db:80'), 'no number of a service was used again')
    assert.equal(identities.find(({ labels }) => labels['app'] === 'web-3')?.number, 3)
  })

  test('are not written again while nothing changes, but once by every process', async () => {
    await fleet.release(6, 'two')
    const running = await node()
    const written = () => fleet.kernel.calls.filter((call) => call.startsWith('setRoutes')).length
    for (let pass = 0; pass < 2; pass++) await reconcile(running, 0)
    const before = written()
    await reconcile(running, 0)
    assert.equal(written(), before)
    await restore(await node())
    assert.equal(written(), before + 1)
  })

  test('a reboot: they are back before anything is contacted', async () => {
    await fleet.release(6, 'two')
    await fleet.pass()
    fleet.kernel.reboot()
    const running = await node({ store: { get: () => Promise.reject(new Error('no network')) } })
    await restore(running)
    assert.ok(checkReaders(running, fleet.kernel, 'after a reboot') > 0)
    assert.deepEqual(active()?.routes?.backends, [3, 1, 2])
  })

  test('a node that has lost its memory gives no number that they name to another service', async () => {
    await fleet.release(6, 'two')
    await fleet.pass()
    assert.deepEqual(active()?.routes?.backends, [3, 1, 2])
    await rm(join(fleet.directory, STATE_FILE))
    fleet.services.push(service('new', '10.96.0.7'))
    const running = await node()
    await publishServices(running)
    const numbers = running.state.current.services.map((each) => [each.service, each.number])
    assert.deepEqual(Object.fromEntries(numbers), { 'shop/cart:80': 1, 'shop/web:80': 2, 'shop/new:80': 4 })
  })

  test('a slot whose programs are older than routes is left alone', async () => {
    fleet.kernel.routeless = true
    await fleet.release(6, 'two')
    assert.equal((await fleet.pass()).outcome, 'enforced')
    fleet.addWorkload('report-1', 'data')
    assert.equal((await fleet.pass()).failure, null)
    assert.equal(active()?.routes, null)
  })

  test('a release without routes asks nobody for numbers, and writes none', async () => {
    fleet.kernel.calls.length = 0
    await fleet.release(6, 'one')
    assert.equal((await fleet.pass()).outcome, 'enforced')
    assert.ok(!fleet.kernel.calls.some((call) => call.startsWith('setRoutes')))
  })
})

describe('too many routes', () => {
  test('of a release: it is refused with nothing loaded, and the old generation goes on', async () => {
    const services = Array.from({ length: Limit.MAX_SERVICES + 1 }, (_, index) => port('web', index + 1))
    await fleet.release(6, 'two', { services, routes: [] })
    const before = structuredClone(fleet.kernel.content)
    const report = await fleet.pass()
    assert.deepEqual([report.outcome, report.failure?.code], ['failed', 'limit-exceeded'])
    assert.deepEqual([fleet.kernel.content.active, fleet.kernel.content.slots], [before.active, before.slots])
  })

  test('by services that come later: nothing leads to them; the inbound side learns of workloads all the same', async () => {
    const ports = Array.from({ length: 64 }, (_, index) => ({ port: index + 1 }))
    const many = Array.from({ length: 60 }, (_, index) => `many${index}`)
    const routes = many.map((name) => entry(name, null, 'data', 0))
    await fleet.release(6, 'two', { services: [], routes })
    for (let number = 0; number < 20; number++) fleet.addWorkload(`report-${number}`, 'data')
    assert.equal((await fleet.pass()).outcome, 'enforced')
    const { content } = fleet.kernel
    const before = structuredClone(content)
    for (const name of many) fleet.services.push({ ...service(name, ''), addresses: [], ports })
    fleet.services.push(service('new', '10.96.0.3'))
    assert.equal((await fleet.pass()).failure?.code, 'limit-exceeded')
    assert.deepEqual([content.outbound, content.slots], [before.outbound, before.slots])
    fleet.addWorkload('report-20', 'data')
    assert.equal((await fleet.pass()).failure?.code, 'limit-exceeded')
    assert.equal(content.addresses.length, before.addresses.length + 1)
    assert.deepEqual(content.outbound, before.outbound, 'a client without routes')
  })
})
