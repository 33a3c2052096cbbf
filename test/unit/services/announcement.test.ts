import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  Announcement,
  type AnnouncedWorkload,
  judge,
  Member,
  Members,
  withoutStolen,
} from '../../../pipelines/services/announcement.ts'

const cart = { name: 'cart-1', namespace: 'shop', labels: { app: 'cart' }, addresses: ['10.1.0.1'] }
const said = (...workloads: AnnouncedWorkload[]) =>
  Announcement.parse({ schema: 'heddle.announcement/1', node: 'n2', zone: 'east', sequence: 1, workloads })
const member = (fields: object = {}) =>
  Member.parse({ node: 'n2', ranges: ['10.1.0.0/16', 'fd01::/64'], ...fields })

describe('an announcement', () => {
  test('is believed inside the ranges of its node, with its zone', () => {
    const { accepted, refused } = judge(said({ ...cart, addresses: ['10.1.0.1', 'fd01::5'] }), member())
    assert.deepEqual(refused, [])
    assert.deepEqual(accepted, [
      { ...cart, addresses: ['10.1.0.1', 'fd01::5'], mode: 'auto', node: 'n2', zone: 'east' },
    ])
  })

  const RANGES: [string, string[], string, boolean][] = [
    ['an address of its range', ['10.1.0.0/16'], '10.1.255.255', true],
    ['an address beside it', ['10.1.0.0/16'], '10.2.0.0', false],
    ['the same address spelled as IPv6', ['10.1.0.0/16'], '::ffff:10.1.0.1', true],
    ['an address of the other family', ['0.0.0.0/0'], 'fd01::1', false],
    ['no address', ['0.0.0.0/0'], 'cart.shop', false],
    ['any address without a range', [], '10.1.0.1', false],
    ['loopback, which everybody has', ['0.0.0.0/0'], '127.0.0.1', false],
    ['loopback of IPv6', ['::/0'], '::1', false],
    ['any address at all', ['::/0'], '::', false],
    ['an address of the link', ['::/0'], 'fe80::1', false],
    ['an address of many', ['0.0.0.0/0'], '239.0.0.1', false],
    ['the address of the cloud’s metadata', ['0.0.0.0/0'], '169.254.169.254', false],
  ]
  for (const [what, ranges, address, believed] of RANGES) {
    test(`of ${what} is ${believed ? 'believed' : 'refused'}`, () => {
      const { accepted, refused } = judge(said({ ...cart, addresses: [address] }), member({ ranges }))
      assert.deepEqual([accepted.length, refused.length], believed ? [1, 0] : [0, 1])
    })
  }

  const LABELS: [string, object[], Partial<AnnouncedWorkload>, boolean][] = [
    ['any label where nothing is said', [{ namespace: null }], {}, true],
    ['its namespace', [{ namespace: 'shop' }], {}, true],
    ['another namespace', [{ namespace: 'bank' }], {}, false],
    ['one of its namespaces', [{ namespace: 'bank' }, { namespace: 'shop' }], {}, true],
    [
      'the labels asked for, and more',
      [{ namespace: 'shop', labels: { app: 'cart' } }],
      { labels: { app: 'cart', x: 'y' } },
      true,
    ],
    ['another value', [{ namespace: 'shop', labels: { app: 'cart' } }], { labels: { app: 'bank' } }, false],
    ['no such label', [{ namespace: 'shop', labels: { app: 'cart' } }], { labels: {} }, false],
    [
      'a label that every object has',
      [{ namespace: 'shop', labels: { toString: 'x' } }],
      { labels: {} },
      false,
    ],
    ['anything where it speaks for nobody', [], {}, false],
  ]
  for (const [what, workloads, fields, believed] of LABELS) {
    test(`of ${what} is ${believed ? 'believed' : 'refused'}`, () => {
      const { accepted } = judge(said({ ...cart, ...fields }), member({ workloads }))
      assert.equal(accepted.length, believed ? 1 : 0)
    })
  }

  test('of a node that nobody enrolled is refused, and so is one workload outside: the others count', () => {
    assert.deepEqual(judge(said(cart), undefined).accepted, [])
    const outside = { ...cart, name: 'cart-2', addresses: ['10.1.0.2', '10.9.0.1'] }
    const { accepted, refused } = judge(said(outside, cart), member())
    assert.deepEqual(
      [accepted.map(({ name }) => name), refused.map(({ workload }) => workload)],
      [['cart-1'], ['shop/cart-2']],
    )
  })

  test('names an address and a workload once; what was refused takes no place', () => {
    const twin = { ...cart, name: 'twin', addresses: ['::ffff:10.1.0.1'] }
    const outside = { ...cart, addresses: ['10.9.0.1'] }
    const { accepted, refused } = judge(
      said(outside, cart, twin, { ...cart, addresses: ['10.1.0.3'] }),
      member(),
    )
    assert.deepEqual([accepted.map(({ addresses }) => addresses[0]), refused.length], [['10.1.0.1'], 3])
  })

  test('never takes an address from the node that had it first', () => {
    const other = {
      ...said({ ...cart, name: 'thief' }, { ...cart, name: 'honest', addresses: ['10.1.0.9'] }),
      node: 'n3',
    }
    const [first, second] = withoutStolen([judge(said(cart), member()), judge(other, member({ node: 'n3' }))])
    assert.deepEqual(
      first?.accepted.map(({ name }) => name),
      ['cart-1'],
    )
    assert.deepEqual(
      second?.accepted.map(({ name }) => name),
      ['honest'],
    )
    assert.deepEqual(second?.refused, [{ workload: 'shop/thief', why: 'another node has the address' }])
  })

  const BOUNDS: [string, object][] = [
    [
      'too many workloads',
      { workloads: Array.from({ length: 257 }, (_, index) => ({ ...cart, name: `w${index}` })) },
    ],
    [
      'too many labels',
      {
        workloads: [
          { ...cart, labels: Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`l${i}`, ''])) },
        ],
      },
    ],
    ['a label with a source before its name', { workloads: [{ ...cart, labels: { 'reserved:host': '' } }] }],
    [
      'too many addresses of one workload',
      { workloads: [{ ...cart, addresses: Array.from({ length: 65 }, (_, i) => `10.1.0.${i}`) }] },
    ],
    [
      'too many addresses of all',
      {
        workloads: Array.from({ length: 17 }, (_, index) => {
          const addresses = Array.from({ length: 64 }, (__, i) => `10.1.${index}.${i}`)
          return { ...cart, name: `w${index}`, addresses: index < 16 ? addresses : ['10.1.99.9'] }
        }),
      },
    ],
    ['an unknown field', { workloads: [], more: 1 }],
    ['a node of another spelling', { node: 'N2', workloads: [] }],
    ['a sequence that is no number', { sequence: 'x', workloads: [] }],
  ]
  for (const [what, fields] of BOUNDS) {
    test(`with ${what} is none`, () => {
      assert.equal(Announcement.safeParse({ ...said(), ...fields }).success, false)
    })
  }
})

test('a list of members names a node once, and ranges that are ranges', () => {
  const list = (...members: object[]) => Members.safeParse({ schema: 'heddle.members/1', members }).success
  assert.equal(list({ node: 'n1' }, { node: 'n2', ranges: ['10.0.0.0/8'] }), true)
  assert.equal(list({ node: 'n1' }, { node: 'n1' }), false)
  assert.equal(list({ node: 'n1', ranges: ['10.0.0.0/33'] }), false)
})
