/** Routes of a compiled artifact in the maps of its slot: what the agent writes is what the relay's reader finds. */
import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, test } from 'node:test'
import { readRoutes } from '../../../agent/adapters/libbpf-routes.ts'
import { u32 } from '../../../agent/adapters/libbpf.ts'
import type { RouteChoice, RouteContent } from '../../../agent/ports.ts'
import { RouteMaps } from '../../../agent/relay/outbound/kernel-routes.ts'
import { type Live, routeContentFor } from '../../../agent/route-choices.ts'
import { Limit, NodeLayout } from '../../../bpf/abi/heddle.gen.ts'
import type { Route } from '../../../pipelines/policy/route.ts'
import { serviceKey } from '../../../pipelines/services/model.ts'
import { routeSetFor } from '../../../pipelines/tables/route-sets.ts'
import { compileSet, dispatcherElf, type TestArtifact } from './artifacts.ts'
import { KernelFixture, whyNoKernel } from './kernel-fixture.ts'
import { oneRule } from './one-rule.ts'
import { otherSources } from './other-sources.ts'

const SLOT = 1
const source = { file: 'route-maps.yaml', line: 1, column: 1 }

/** Everything for `web` goes to `backend`. */
function route(port: number | null, clients: string | null, backend: string): Route {
  const service = { namespace: 'shop', name: backend, port: 80 }
  const path = { kind: 'prefix' as const, value: '/' }
  return {
    name: `to-${backend}`,
    namespace: 'shop',
    source,
    created: '',
    service: { namespace: 'shop', name: 'web', port },
    clients,
    rules: [
      {
        source,
        matches: [{ source, path, headers: [], query: [] }],
        filters: [],
        backends: [{ service, weight: 1, filters: [] }],
        requestTimeout: 0,
        backendTimeout: 0,
      },
    ],
  }
}

const web = (port: number) => ({ namespace: 'shop', name: 'web', port })
/** Two services that nobody asks routes of, two ports of one that has some, one that is only sent to. */
const live: Live = {
  numbers: new Map([
    ['shop/first:80', 1],
    ['shop/web:80', 7],
    ['shop/web:8080', Limit.MAX_SERVICES - 1],
    ['shop/red:80', 2],
  ]),
  identities: [
    { number: 1, namespace: 'red', labels: {} },
    { number: 2, namespace: 'shop', labels: {} },
    { number: Limit.MAX_IDENTITIES - 1, namespace: 'red', labels: { a: 'b' } },
  ],
}

const byKey = (left: RouteChoice, right: RouteChoice) =>
  left.service - right.service || left.identity - right.identity

describe('maps of routes', { skip: whyNoKernel() }, () => {
  let node: KernelFixture
  let artifact: TestArtifact
  before(async () => {
    const routes = [route(null, null, 'everybody'), route(8080, null, 'port'), route(null, 'red', 'red')]
    artifact = await compileSet({ ...oneRule(), routes })
    node = await KernelFixture.create(await dispatcherElf())
  })
  after(() => node?.close())
  beforeEach(() => node.stage(SLOT, artifact.elf, []))

  function held(): RouteContent {
    const content = readRoutes(node.pins, SLOT) ?? assert.fail('no such maps')
    return { ...content, choices: content.choices.toSorted(byKey) }
  }
  const epoch = () =>
    node.withMap('node', (map) =>
      map.lookup(u32(0), NodeLayout.bytes)?.readUInt32LE(NodeLayout.fields.epoch.at),
    )

  /** As the manifest says, for everybody. */
  function checkReader({ numbers, identities }: Live): void {
    const reader = new RouteMaps(node.pins, SLOT)
    try {
      for (const { number, namespace } of [{ number: 0, namespace: null }, ...identities])
        for (const port of [80, 8080]) {
          const service = numbers.get(serviceKey(web(port))) ?? assert.fail()
          const expected = routeSetFor(artifact.routes, web(port), namespace)
          assert.equal(reader.setFor(service, number), expected, `${port} for ${namespace}`)
        }
      for (const [number, service] of artifact.services.entries())
        assert.equal(reader.live(number), numbers.get(serviceKey(service)))
    } finally {
      reader.close()
    }
  }

  test('what is written is what is read, and every reader is told to look again', async () => {
    assert.deepEqual(held(), { choices: [], backends: [] }, 'a slot begins with none')
    const content = routeContentFor(artifact, live)
    const before = epoch()
    await node.kernel.setRoutes(SLOT, content)
    assert.equal(epoch(), (before ?? 0) + 1)
    const last = content.backends.findLastIndex((number) => number !== null)
    assert.deepEqual(held(), {
      choices: content.choices.toSorted(byKey),
      backends: content.backends.slice(0, last + 1),
    })
    assert.equal(content.choices.length, 6)
    const { services } = await node.kernel.outbound.references()
    assert.deepEqual([...services].sort(), [2, Limit.MAX_SERVICES - 1, 7])
    assert.deepEqual(
      artifact.routes.map(({ set }) => set),
      [0, 1, 2, 1],
    )
    checkReader(live)
  })

  test('what is gone is gone, and what is another is replaced', async () => {
    await node.kernel.setRoutes(SLOT, routeContentFor(artifact, live))
    const later: Live = {
      numbers: new Map([
        ['shop/web:80', 7],
        ['shop/web:8080', 1],
        ['shop/port:80', 2],
      ]),
      identities: [{ number: 1, namespace: 'blue', labels: {} }],
    }
    const content = routeContentFor(artifact, later)
    for (let twice = 0; twice < 2; twice++) {
      await node.kernel.setRoutes(SLOT, content)
      assert.deepEqual(held().choices, content.choices.toSorted(byKey))
      checkReader(later)
    }
    await node.kernel.setRoutes(SLOT, { choices: [], backends: [] })
    assert.deepEqual(held(), { choices: [], backends: [] })
  })

  test('one full map gives way to another, and how long that takes', async (t) => {
    const services = Limit.MAX_ROUTE_KEYS / 32
    const full = (first: number): RouteContent => ({
      choices: Array.from({ length: Limit.MAX_ROUTE_KEYS }, (_, index) => {
        return {
          service: first + (index % services),
          identity: index >> 11,
          set: index,
          own: index < services,
        }
      }),
      backends: Array.from({ length: Limit.MAX_SERVICES }, (_, index) => index),
    })
    const [one, two] = [full(0), full(services)]
    const timed = async (what: string, content: RouteContent) => {
      const began = performance.now()
      await node.kernel.setRoutes(SLOT, content)
      t.diagnostic(`${what} ${(performance.now() - began).toFixed(0)} ms`)
    }
    await timed(`${one.choices.length} choices into an empty map:`, one)
    await timed('the same again:', one)
    await timed('others in their place:', two)
    const { choices, backends } = held()
    assert.deepEqual(choices, two.choices.toSorted(byKey))
    assert.deepEqual(backends, two.backends)
  })

  test('an empty slot, and an artifact that is older than routes, are left alone', async () => {
    const beginning = '#include "../lib/platform.h"\n'
    const hide = ['route_choices', 'backend_services'].map((name) => `#define ${name} own_${name}\n`).join('')
    const sources = otherSources([{ file: 'maps/generation.h', from: beginning, to: beginning + hide }])
    try {
      await node.stage(2, (await sources.compiler.compile(oneRule())).elf, [])
    } finally {
      sources.remove()
    }
    const before = epoch()
    for (const slot of [2, 3]) {
      await node.kernel.setRoutes(slot, routeContentFor(artifact, live))
      assert.equal(readRoutes(node.pins, slot), null)
    }
    assert.equal(epoch(), before)
  })
})
