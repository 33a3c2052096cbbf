/** The step of a node: files and workloads -> maps, with a fake kernel that can be stopped at any store. */
import assert from 'node:assert/strict'
import { after, afterEach, before, beforeEach, describe, test } from 'node:test'
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { restore } from '../../../agent/confirm.ts'
import { reconcile } from '../../../agent/reconcile.ts'
import { REST_MS } from '../../../agent/service-runs.ts'
import { publishServices, serviceNumbers } from '../../../agent/services.ts'
import { STATE_FILE } from '../../../agent/state.ts'
import { Service } from '../../../pipelines/services/model.ts'
import { type MemoryKernel, memoryKernel } from '../../fakes/memory-kernel.ts'
import { emptyOutbound } from '../../fakes/memory-outbound.ts'
import { enforcingFleet, type Fleet } from '../../fakes/node-fleet.ts'

const cart = Service.parse({
  namespace: 'shop',
  name: 'cart',
  addresses: ['10.96.0.1'],
  ports: [{ port: 80, targetPort: 8080 }],
  selector: { app: 'cart' },
})
const web = Service.parse({ ...cart, name: 'web', addresses: ['10.96.0.2'], selector: { app: 'web' } })

let fleet: Fleet
let elapsed: number
const clock = { now: () => fleet.clock.now().getTime(), elapsed: () => elapsed }
const node = (options: Parameters<Fleet['node']>[0] = {}) => fleet.node({ clock, ...options })

beforeEach(async () => {
  elapsed = 0
  fleet = await enforcingFleet()
  fleet.services = [cart, web]
})
afterEach(() => fleet.close())

/** Service address -> endpoints, as a reader finds them. */
function reached(kernel: MemoryKernel = fleet.kernel): Record<string, string[]> {
  const { outbound } = kernel.content
  assert.ok(outbound)
  return Object.fromEntries(
    Object.values(outbound.addresses).map(({ address, port, service }) => {
      const { first, count } = outbound.services[service] ?? { first: 0, count: 0 }
      const numbers = Array.from({ length: count }, (_, place) => outbound.members[first + place] ?? 0)
      const names = numbers.map((number) => outbound.endpoints[number])
      return [`${address}:${port}`, names.map((each) => (each ? `${each.address}:${each.port}` : 'nowhere'))]
    }),
  )
}
const BOTH = { '10.96.0.1:80': ['10.0.0.1:8080'], '10.96.0.2:80': ['10.0.0.2:8080'] }

describe('services of a node', () => {
  test('are in the kernel after a pass, and are not written again', async () => {
    await publishServices(await node())
    assert.deepEqual(reached(), BOTH)
    assert.deepEqual(fleet.kernel.content.outbound?.endpoints[1], {
      address: '10.0.0.1',
      port: 8080,
      local: true,
      weight: 1,
    })
    fleet.kernel.calls.length = 0
    await publishServices(await node())
    assert.deepEqual(fleet.kernel.calls, [])
  })

  test('a node without services asks its kernel nothing', async () => {
    fleet.services = []
    const { kernel } = fleet
    const asked = { ...kernel, outbound: { ...kernel.outbound, read: () => assert.fail('asked') } }
    await publishServices(await node({ kernel: asked }))
  })

  test('a pass reports what a broken list is, and leaves what was there', async () => {
    await fleet.pass()
    fleet.services = [cart, { ...web, addresses: ['10.96.0.1'] }]
    const report = await fleet.pass()
    assert.equal(report.failure?.code, 'schema-violation')
    assert.deepEqual(reached(), BOTH)
  })

  test('a reboot: they are back before anything is contacted', async () => {
    await fleet.pass()
    fleet.kernel.reboot()
    await restore(await node({ store: { get: () => Promise.reject(new Error('no network')) } }))
    assert.deepEqual(reached(), BOTH)
  })

  test('what a pass had to repair has its services in the same pass', async () => {
    await fleet.pass()
    const running = await node()
    fleet.kernel.reboot()
    await reconcile(running, 0)
    assert.deepEqual(reached(), BOTH)
    assert.ok(fleet.reports.at(-1)?.failure?.code === 'attached-differs')
  })
})

describe('a dispatcher older than services', () => {
  test('does not fail the node: it is named, and nothing is written', async () => {
    fleet.kernel.content.outbound = null
    const report = await fleet.pass()
    assert.equal(report.outcome, 'unchanged')
    assert.equal(report.failure?.code, 'services-unsupported')
    assert.match(report.failure?.message ?? '', /there are 2/)
    fleet.services = []
    assert.equal((await fleet.pass()).failure, null, 'without services nothing is missing')
  })

  test('that took over again: connections of the newer one still find their services', async () => {
    await fleet.pass()
    fleet.kernel.content.outbound = { ...(fleet.kernel.content.outbound ?? emptyOutbound()), served: false }
    fleet.workloads = fleet.workloads.filter(({ name }) => name !== 'web-1')
    assert.equal((await fleet.pass()).failure?.code, 'services-unsupported')
    assert.deepEqual(reached(), { ...BOTH, '10.96.0.2:80': [] })
  })

  test('whose successor comes with a release: the services are there when that pass is over', async () => {
    fleet.kernel.content.outbound = null
    const kernel = memoryKernel(
      {
        after: (call) => {
          if (call.startsWith('flip')) kernel.content.outbound ??= emptyOutbound()
        },
      },
      fleet.kernel.content,
    )
    kernel.cgroups.set('shop/cart', 77n)
    fleet.workloads = fleet.workloads.map((each) =>
      each.name === 'cart-1' ? { ...each, cgroup: 'shop/cart' } : each,
    )
    await fleet.published.release('canary', 6, await fleet.artifact('two'))
    await reconcile(await node({ kernel }), 0)
    const report = fleet.reports.at(-1)
    assert.deepEqual([report?.outcome, report?.failure], ['enforced', null])
    assert.deepEqual(reached(kernel), BOTH)
    assert.deepEqual(kernel.content.outbound?.cgroups, { '77': 1 })
  })
})

describe('service numbers', () => {
  const numbers = async () =>
    Object.fromEntries((await node()).state.current.services.map((s) => [s.service, s.number]))

  test('stay over restarts and reboots; one that went comes back only after nothing names it', async () => {
    await fleet.pass()
    assert.deepEqual(await numbers(), { 'shop/cart:80': 1, 'shop/web:80': 2 })
    fleet.services = [web]
    const running = await node()
    fleet.kernel.references.services.add(1)
    await publishServices(running)
    assert.deepEqual(reached(), { '10.96.0.2:80': ['10.0.0.2:8080'] })
    elapsed = REST_MS
    await publishServices(running)
    assert.deepEqual(await numbers(), { 'shop/cart:80': 1, 'shop/web:80': 2 }, 'a connection still names it')
    fleet.kernel.references.services.clear()
    await publishServices(running)
    assert.deepEqual(await numbers(), { 'shop/web:80': 2 })
    assert.deepEqual(Object.keys(fleet.kernel.content.outbound?.services ?? {}), ['2'])
    assert.deepEqual(Object.keys(fleet.kernel.content.outbound?.endpoints ?? {}), ['2'])
    fleet.services = [web, { ...cart, name: 'db' }]
    await publishServices(running)
    assert.deepEqual(await numbers(), { 'shop/web:80': 2, 'shop/db:80': 1 })
  })

  test('a generation may ask for the number of what is no service yet, and keeps it while it is loaded', async () => {
    const later = { namespace: 'shop', name: 'later', port: 80 }
    const routed = { service: { namespace: 'shop', name: 'cart', port: null }, clients: null, set: 0 }
    await fleet.published.release(
      'canary',
      6,
      await fleet.artifact('two', { services: [later], routes: [routed] }),
    )
    assert.equal((await fleet.pass()).outcome, 'enforced')
    fleet.services = [web]
    const running = await node()
    await running.state.update({ services: [] })
    fleet.kernel.content.outbound = emptyOutbound()
    for (const slot of Object.values(fleet.kernel.content.slots)) slot.routes = null
    const asked = await serviceNumbers(running, ['shop/later:80', 'shop/web:80'])
    assert.deepEqual(
      [...asked],
      [
        ['shop/later:80', 1],
        ['shop/web:80', 2],
      ],
    )
    fleet.services = [web, cart]
    await publishServices(running)
    fleet.services = [{ ...cart, name: 'db' }]
    await publishServices(running)
    elapsed = REST_MS
    await publishServices(running)
    assert.deepEqual(await numbers(), { 'shop/later:80': 1, 'shop/cart:80': 3, 'shop/db:80': 4 })
    const slots = Object.fromEntries(
      Object.entries(running.state.current.slots).filter(([, { generation }]) => generation === 1),
    )
    await running.state.update({ slots })
    await publishServices(running)
    assert.deepEqual(await numbers(), { 'shop/db:80': 4 })
  })

  test('a node that has lost its memory keeps them, by the addresses in the kernel', async () => {
    fleet.services = [web, cart]
    await fleet.pass()
    const before = await numbers()
    await rm(join(fleet.directory, STATE_FILE))
    fleet.services = [cart, web]
    const running = await node()
    await publishServices(running)
    assert.deepEqual(await numbers(), before)
    assert.deepEqual(reached(), BOTH)
  })
})

describe('cgroups of workloads', () => {
  test('are written with the identity of their workload, followed when they are made again, and removed', async () => {
    const { kernel } = fleet
    fleet.workloads = fleet.workloads.map((each) => ({ ...each, cgroup: `shop/${each.name}` }))
    const held = () => kernel.content.outbound?.cgroups
    const running = await node()
    await reconcile(running, 0)
    assert.deepEqual(held(), {}, 'no directory, no id')
    kernel.cgroups.set('shop/cart-1', 41n)
    kernel.cgroups.set('shop/web-1', 42n)
    await reconcile(running, 0)
    assert.deepEqual(held(), { '41': 1, '42': 2 })
    kernel.cgroups.set('shop/web-1', 43n)
    await reconcile(running, 0)
    assert.deepEqual(held(), { '41': 1, '43': 2 })
    fleet.workloads = fleet.workloads.filter(({ name }) => name !== 'cart-1')
    await reconcile(running, 0)
    assert.deepEqual(held(), { '43': 2 })
  })

  test('of workloads that run elsewhere are not this node’s', async () => {
    const { kernel } = fleet
    fleet.workloads = fleet.workloads.map((each) => ({ ...each, cgroup: 'shop', node: 'node-9' }))
    kernel.cgroups.set('shop', 41n)
    await fleet.pass()
    assert.deepEqual(kernel.content.outbound?.cgroups, {})
  })
})

describe('killed between any two acts', () => {
  let scratch: string
  before(async () => {
    scratch = await mkdtemp(join(tmpdir(), 'heddle-services-'))
  })
  after(() => rm(scratch, { recursive: true, force: true }))

  /** Every service has what it had before or what it should have, and nothing leads nowhere. */
  const allowed: Record<string, string[][]> = {
    '10.96.0.1:80': [['10.0.0.1:8080'], ['10.0.0.1:8080', '10.0.0.3:8080']],
    '10.96.0.2:80': [['10.0.0.2:8080'], []],
    '10.96.0.3:80': [['10.0.0.3:8080']],
  }

  test('no reader sees a half, and the next start completes it', async () => {
    await fleet.pass()
    const [first, second] = fleet.workloads
    assert.ok(first && second)
    // One more endpoint, a service that loses its only one, a new service, one that moves away.
    const cart3 = { ...first, name: 'cart-3', labels: { app: 'cart', tier: 'db' }, addresses: ['10.0.0.3'] }
    fleet.workloads = [first, cart3, { ...second, labels: { app: 'other' } }]
    const db = Service.parse({ ...cart, name: 'db', addresses: ['10.96.0.3'], selector: { tier: 'db' } })
    fleet.services = [cart, web, db]
    const content = structuredClone(fleet.kernel.content)
    let [died, acts] = [true, 0]
    for (; died; acts++) {
      const directory = await mkdtemp(join(scratch, 'node-'))
      await cp(fleet.directory, directory, { recursive: true })
      let done = 0
      const act = () => {
        if (done++ >= acts) throw new Error('dead')
      }
      const dying = memoryKernel({ before: act, after: act }, structuredClone(content))
      await publishServices(await node({ directory, kernel: dying, before: act })).catch(() => {})
      died = done > acts
      for (const [address, endpoints] of Object.entries(reached(dying)))
        assert.ok(
          allowed[address]?.some((each) => `${each}` === `${endpoints}`),
          `after ${acts} acts ${address} has ${endpoints}`,
        )
      const kernel = memoryKernel({}, dying.content)
      await publishServices(await node({ directory, kernel }))
      assert.deepEqual(
        reached(kernel),
        {
          '10.96.0.1:80': ['10.0.0.1:8080', '10.0.0.3:8080'],
          '10.96.0.2:80': [],
          '10.96.0.3:80': ['10.0.0.3:8080'],
        },
        `after ${acts} acts`,
      )
    }
    assert.ok(acts > 15, `only ${acts} acts`)
  })
})
