import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { fileServices, parseServices } from '../../../agent/adapters/file-services.ts'
import { parseWorkloads } from '../../../agent/adapters/file-workloads.ts'
import { Failure } from '../../../pipelines/contract/failures.ts'

const ONE = '- {namespace: n, name: a, addresses: [10.96.0.1], ports: [{port: 80}], selector: {app: a}}\n'
const LISTED =
  '- {namespace: n, name: l, ports: [{port: 80}, {port: 81}], endpoints: [{address: 192.0.2.1}]}\n'

function refused(parse: () => unknown, code: string, place: RegExp): void {
  assert.throws(parse, (error) => {
    assert.ok(error instanceof Failure)
    assert.equal(error.code, code)
    assert.match([error.message, ...error.detail].join('\n'), new RegExp(place.source, 'm'))
    return true
  })
}

describe('services of a file', () => {
  test('a list, or under services; YAML or JSON', () => {
    const expected = {
      namespace: 'n',
      name: 'a',
      addresses: ['10.96.0.1'],
      ports: [{ port: 80 }],
      selector: { app: 'a' },
    }
    assert.deepEqual(parseServices('s', ONE), [expected])
    assert.deepEqual(parseServices('s', `services:\n${ONE}`), [expected])
    assert.deepEqual(parseServices('s', JSON.stringify({ services: [expected] })), [expected])
  })

  test('a node without such a file has no services', async () => {
    assert.deepEqual(await fileServices(null).list(), [])
  })

  const TABLE: [string, string, RegExp][] = [
    ['neither selector nor endpoints', ONE.replace(', selector: {app: a}', ''), /s:1:3: 0: .*either/],
    ['both', ONE.replace('}\n', ', endpoints: []}\n'), /s:1:3: 0: .*either/],
    ['an empty selector', ONE.replace('{app: a}', '{}'), /s:1:82: 0.selector: .*at least one label/],
    ['no port', ONE.replace('[{port: 80}]', '[]'), /s:1:58: 0.ports: /],
    ['a port out of range', ONE.replace('80', '65536'), /s:1:66: 0.ports.0.port: /],
    ['an unknown field', ONE.replace('selector', 'select'), /s:1:3: 0: .*select/],
    [
      'an address that is none',
      ONE.replace('10.96.0.1', '10.96.0.256'),
      /s:1:39: 0.addresses.0: .*no address/,
    ],
    [
      'a listed address that is none',
      LISTED.replace('192.0.2.1', 'host'),
      /endpoints.0.address: .*no address/,
    ],
    ['a name twice', ONE + ONE.replace('10.96.0.1', '10.96.0.2'), /s:2:24: 1.name: .*there twice/],
    [
      'an address and port twice',
      ONE + ONE.replace('name: a', 'name: b').replace('10.96.0.1', '"::ffff:10.96.0.1"'),
      /s:2:39: 1.addresses.0: .*given twice/,
    ],
    ['a port twice', ONE.replace('{port: 80}', '{port: 80}, {port: 80}'), /s:1:71: 0.ports.1: port 80/],
    [
      'a port name twice',
      ONE.replace('{port: 80}', '{port: 80, name: x}, {port: 81, name: x}'),
      /0.ports.1: a port named x/,
    ],
    [
      'an endpoint twice',
      LISTED.replace('{address: 192.0.2.1}', '{address: 192.0.2.1}, {address: 192.0.2.1}'),
      /0.endpoints.1: .*there twice/,
    ],
    [
      'an endpoint with a port of nobody knows which',
      LISTED.replace('192.0.2.1', '192.0.2.1, port: 8080'),
      /0.endpoints.0.port: .*of which port/,
    ],
    ['no list', 'a: 1', /s:1:1: /],
  ]
  for (const [says, text, place] of TABLE) {
    test(`${says} is refused with its place`, () =>
      refused(() => parseServices('s', text), 'schema-violation', place))
  }

  test('bad YAML and a file without end are refused by name', () => {
    refused(() => parseServices('s', '- {'), 'yaml-syntax', /^s:1:/)
    refused(() => parseServices('s', ' '.repeat(4_194_305)), 'yaml-limit', /longer than/)
  })
})

describe('the cgroup of a workload', () => {
  const of = (fields: string) => `- {name: a, namespace: n, labels: {}, addresses: [10.0.0.1], ${fields}}\n`
  for (const path of ['shop', 'shop/cart', 'a.b/..c', '.x']) {
    test(`${path} is one`, () => {
      assert.equal(parseWorkloads('w', of(`cgroup: ${path}`))[0]?.cgroup, path)
    })
  }
  for (const path of ['""', '/shop', 'shop/', 'a//b', '..', '../x', 'a/../b', 'a/.', './a', '"a\\0b"']) {
    test(`${path} is none: it could name what is not the node's`, () =>
      refused(() => parseWorkloads('w', of(`cgroup: ${path}`)), 'schema-violation', /0.cgroup: /))
  }
  test('two workloads of a node have two; of two nodes they may have the same', () => {
    const twice = (fields: string) =>
      of('node: n1, cgroup: shop') + of(fields).replace('name: a', 'name: b').replace('0.1', '0.2')
    refused(
      () => parseWorkloads('w', twice('node: n1, cgroup: shop')),
      'schema-violation',
      /1.cgroup: .*twice/,
    )
    assert.equal(parseWorkloads('w', twice('node: n2, cgroup: shop')).length, 2)
  })
})
