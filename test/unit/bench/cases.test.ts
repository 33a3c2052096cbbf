import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { baselinesOf, choose, FRONTS, type Front, nameOf } from '../../bench/cases.ts'
import { pinningFor } from '../../bench/machine.ts'
import { nodesFor } from '../../bench/sites.ts'

const PEERS = ['direct-local', 'direct-local-again', 'haproxy-1', 'haproxy-2', 'nginx-1', 'direct-remote']
const HEDDLE = [
  'heddle-local',
  'heddle-remote-direct',
  'heddle-remote-rerouted',
  ...[10, 1000, 10000].map((routes) => `heddle-local-routes-${routes}`),
]
const usual = (fronts: string[]) => fronts.map((front) => `${front}/64/1024`).sort()
const names = (options: { only?: RegExp; all?: boolean; mesh?: boolean }) => {
  const { lanes, absent } = choose({ only: undefined, all: false, mesh: false, ...options })
  return { lanes: lanes.map(nameOf).sort(), absent: Object.keys(absent).sort() }
}

describe('the cases of the suite datapath', () => {
  test('are those of the goals, when nothing is said', () => {
    const { lanes, absent } = names({ mesh: true })
    assert.deepEqual(lanes, usual([...PEERS, 'haproxy-remote', ...HEDDLE]))
    assert.deepEqual(absent, [])
  })

  test('are all sizes of all fronts with --all, but only one size of those about routes', () => {
    const { lanes } = names({ all: true, mesh: true })
    assert.equal(lanes.length, 10 * 4 * 4 + 3)
    const sizes = lanes.filter((name) => name.startsWith('haproxy-2/')).map((name) => name.slice(10))
    const expected = [1, 16, 64, 256].flatMap((c) => [100, 1024, 16384, 1048576].map((b) => `${c}/${b}`))
    assert.deepEqual(sizes, expected.sort())
  })

  test('with --only are all that match, of any size', () => {
    assert.deepEqual(names({ only: /^nginx-1\/(1|16)\/1/ }).lanes, [
      'nginx-1/1/100',
      'nginx-1/1/1024',
      'nginx-1/1/1048576',
      'nginx-1/1/16384',
      'nginx-1/16/100',
      'nginx-1/16/1024',
      'nginx-1/16/1048576',
      'nginx-1/16/16384',
    ])
  })

  test('are absent by name where they need a mesh and there is none', () => {
    const { lanes, absent } = names({})
    assert.deepEqual(lanes, usual([...PEERS, 'haproxy-remote']))
    assert.deepEqual(absent, usual(HEDDLE))
  })

  test('are refused when none is left, with the reason', () => {
    assert.throws(
      () => names({ only: /^heddle-local\/1\/100$/ }),
      /nothing to measure:\nheddle-local\/1\/100: there is no mesh to start$/,
    )
    assert.throws(
      () => names({ only: /^envoy/ }),
      /no case matches \/\^envoy\/; cases are .*direct-local\/1\/100/,
    )
  })

  test('are compared with fronts that exist, on the same nodes, at the same size', () => {
    for (const [front, { server, against }] of Object.entries(FRONTS)) {
      for (const other of against) assert.equal(FRONTS[other]?.server, server, `${front} vs ${other}`)
    }
    const lane = { front: 'heddle-local-routes-10000', connections: 64, bytes: 1024 }
    assert.deepEqual(baselinesOf(lane), ['direct-local/64/1024', 'heddle-local-routes-10/64/1024'])
    assert.deepEqual(baselinesOf({ ...lane, front: 'direct-remote' }), [])
  })

  test('need a node, and one more where the server is elsewhere', () => {
    const nodes = (...names: string[]) =>
      nodesFor(Object.fromEntries(names.map((name) => [name, FRONTS[name] as Front])))
    assert.equal(nodes('direct-local', 'haproxy-2'), 2)
    assert.equal(nodes('direct-local', 'haproxy-remote', 'heddle-remote-rerouted'), 5)
  })
})

describe('the pinning', () => {
  const rows: [number, { load: string; server: string; between: string }][] = [
    [1, { load: '0', server: '0', between: '0' }],
    [2, { load: '0', server: '1', between: '0-1' }],
    [3, { load: '0', server: '1', between: '2-2' }],
    [8, { load: '0', server: '1', between: '2-7' }],
  ]
  for (const [cores, expected] of rows) {
    test(`on ${cores} cores`, () => assert.deepEqual(pinningFor(cores), expected))
  }
})
