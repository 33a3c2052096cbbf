import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Workload } from '../../../pipelines/policy/model.ts'
import { Service } from '../../../pipelines/services/model.ts'
import { MAX_PLACES_A_NODE, resolveServices } from '../../../pipelines/services/resolve.ts'

const HERE = { node: 'n1', zone: 'east' }

function workload(name: string, address: string, fields: Partial<Workload> = {}): Workload {
  return { name, namespace: 'shop', labels: { app: 'cart' }, addresses: [address], mode: 'auto', ...fields }
}

const cart = Service.parse({
  namespace: 'shop',
  name: 'cart',
  addresses: ['10.96.0.1', 'fd00::1'],
  ports: [{ port: 80, targetPort: 8080 }, { port: 9090 }],
  selector: { app: 'cart' },
})

/** Addresses in order, with how many are near. */
function resolved(service: Service, own: Workload[], announced: (Workload & { node: string })[] = []) {
  const [first] = resolveServices([service], { own, announced }, HERE).tables
  return { addresses: first?.endpoints.map(({ address }) => address), local: first?.local, zone: first?.zone }
}

describe('services', () => {
  test('each port is a table of its own; the target port is where requests go', () => {
    const { tables } = resolveServices([cart], { own: [workload('a', '10.0.0.1')], announced: [] }, HERE)
    assert.deepEqual(
      tables.map(({ service, addresses, endpoints }) => [
        service,
        addresses.map(({ address, port }) => `${address} ${port}`),
        endpoints.map(({ address, port }) => `${address} ${port}`),
      ]),
      [
        ['shop/cart:80', ['10.96.0.1 80', 'fd00::1 80'], ['10.0.0.1 8080']],
        ['shop/cart:9090', ['10.96.0.1 9090', 'fd00::1 9090'], ['10.0.0.1 9090']],
      ],
    )
  })

  test('this node first, then its zone, then any; addresses decide among equals, whoever named them', () => {
    const announced = [
      { ...workload('far', '10.0.3.1', { zone: 'west' }), node: 'n3' },
      { ...workload('nowhere', '10.0.4.1'), node: 'n4' },
      { ...workload('near-2', '10.0.2.9', { zone: 'east' }), node: 'n2' },
      { ...workload('near-1', '10.0.2.10', { zone: 'east' }), node: 'n2' },
    ]
    const own = [workload('b', '10.0.1.2'), workload('a', '10.0.1.1')]
    const expected = {
      addresses: ['10.0.1.1', '10.0.1.2', '10.0.2.9', '10.0.2.10', '10.0.3.1', '10.0.4.1'],
      local: 2,
      zone: 4,
    }
    assert.deepEqual(resolved(cart, own, announced), expected)
    assert.deepEqual(resolved(cart, own.toReversed(), announced.toReversed()), expected)
  })

  test('a node without a zone is near nobody, not even another one without', () => {
    const known = { own: [], announced: [{ ...workload('a', '10.0.0.2'), node: 'n2' }] }
    const [table] = resolveServices([cart], known, { node: 'n1', zone: null }).tables
    assert.equal(table?.zone, 0)
  })

  test('a workload of the list that says another node is there, in the zone that it says', () => {
    const own = [workload('a', '10.0.0.1', { node: 'n2', zone: 'east' }), workload('b', '10.0.0.2')]
    assert.deepEqual(resolved(cart, own), { addresses: ['10.0.0.2', '10.0.0.1'], local: 1, zone: 2 })
  })

  const CHOSEN: [string, Partial<Workload>, boolean][] = [
    ['its labels, and more of them', { labels: { app: 'cart', x: 'y' } }, true],
    ['another value', { labels: { app: 'web' } }, false],
    ['no such label', { labels: {} }, false],
    ['its labels in another namespace', { namespace: 'other' }, false],
  ]
  for (const [what, fields, chosen] of CHOSEN) {
    test(`a workload with ${what} is ${chosen ? 'an endpoint' : 'none'}`, () => {
      assert.equal(resolved(cart, [workload('a', '10.0.0.1', fields)]).addresses?.length, chosen ? 1 : 0)
    })
  }

  test('of several addresses of a workload the first is its endpoint', () => {
    const own = [workload('a', '10.0.0.1', { addresses: ['10.0.0.7', 'fd00::7'] })]
    assert.deepEqual(resolved(cart, own).addresses, ['10.0.0.7'])
  })

  test('what another node announces never takes an address that is known here', () => {
    const thief = workload('thief', '10.0.0.9', { addresses: ['10.0.0.9', '::ffff:10.0.0.1'] })
    const own = [workload('a', '10.0.0.1', { labels: { app: 'other' } })]
    assert.deepEqual(resolved(cart, own, [{ ...thief, node: 'n2' }]).addresses, [])
  })

  test('listed endpoints have weights, and are local when a workload of this node has the address', () => {
    const listed = Service.parse({
      namespace: 'shop',
      name: 'legacy',
      ports: [{ port: 80 }],
      endpoints: [
        { address: '192.0.2.1', weight: 3 },
        { address: '10.0.0.1', port: 8080, weight: 0 },
        { address: '192.0.2.2', zone: 'east' },
      ],
    })
    const [table] = resolveServices(
      [listed],
      { own: [workload('a', '10.0.0.1')], announced: [] },
      HERE,
    ).tables
    assert.deepEqual(
      table?.endpoints.map(({ address, port, weight, node }) => [address, port, weight, node]),
      [
        ['10.0.0.1', 8080, 0, 'n1'],
        ['192.0.2.2', 80, 1, null],
        ['192.0.2.1', 80, 3, null],
      ],
    )
    assert.deepEqual([table?.local, table?.zone], [1, 2])
    assert.deepEqual(table?.addresses, [])
  })

  test('one node that claims everything takes its share and no more; others keep theirs', () => {
    const liar = Array.from({ length: MAX_PLACES_A_NODE + 5 }, (_, index) => ({
      ...workload(`w${index}`, `10.1.${index >> 8}.${index & 255}`),
      node: 'liar',
    }))
    const honest = { ...workload('honest', '10.2.0.1'), node: 'n2' }
    const known = { own: [workload('a', '10.0.0.1')], announced: [...liar, honest] }
    const { tables, leftOut } = resolveServices([cart], known, HERE)
    // Port 80 has the liar's whole share; port 9090 still has what is not the liar's.
    assert.deepEqual(
      tables.map(({ endpoints }) => endpoints.length),
      [MAX_PLACES_A_NODE + 2, 2],
    )
    assert.deepEqual([...leftOut], [['liar', 5 + MAX_PLACES_A_NODE + 5]])
  })

  test('an address and port of two services is refused, however it is spelled', () => {
    const twin = { ...cart, name: 'twin', addresses: ['::ffff:10.96.0.1'] }
    const known = { own: [], announced: [] }
    assert.throws(() => resolveServices([cart, twin], known, HERE), { code: 'schema-violation' })
    const other = { ...twin, ports: [{ port: 81 }] }
    assert.equal(resolveServices([cart, other], known, HERE).tables.length, 3)
  })
})
