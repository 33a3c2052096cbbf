import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { parseAddress, parsePrefix } from '../../../pipelines/policy/address.ts'
import type { Requirement, Selector } from '../../../pipelines/policy/model.ts'
import { cidrMatches, selectorMatches } from '../../../pipelines/policy/selector.ts'

describe('selectors', () => {
  const workload = { namespace: 'shop', labels: { app: 'web', tier: '' } }
  const one = (key: string, operator: Requirement['operator'], ...values: string[]): Selector => ({
    namespaces: null,
    requirements: [{ key, operator, values }],
  })
  const TABLE: [string, Selector, boolean][] = [
    ['nothing asked, any namespace', { namespaces: null, requirements: [] }, true],
    ['the namespace is listed', { namespaces: ['a', 'shop'], requirements: [] }, true],
    ['the namespace is not listed', { namespaces: ['a'], requirements: [] }, false],
    ['no namespace at all', { namespaces: [], requirements: [] }, false],
    ['In, listed', one('app', 'In', 'x', 'web'), true],
    ['In, not listed', one('app', 'In', 'x'), false],
    ['In, absent', one('zone', 'In', ''), false],
    ['In, empty value', one('tier', 'In', ''), true],
    ['NotIn, listed', one('app', 'NotIn', 'web'), false],
    ['NotIn, not listed', one('app', 'NotIn', 'x'), true],
    ['NotIn, absent', one('zone', 'NotIn', 'x'), true],
    ['Exists', one('tier', 'Exists'), true],
    ['Exists, absent', one('zone', 'Exists'), false],
    ['DoesNotExist', one('zone', 'DoesNotExist'), true],
    ['DoesNotExist, present', one('app', 'DoesNotExist'), false],
    ['a label named like a member of Object', one('constructor', 'Exists'), false],
    ['the namespace as a label', one('io.kubernetes.pod.namespace', 'NotIn', 'shop'), false],
  ]
  for (const [says, selector, expected] of TABLE) {
    test(says, () => assert.equal(selectorMatches(selector, workload), expected))
  }
})

describe('CIDRs', () => {
  const TABLE: [string, string[], string, boolean][] = [
    ['10.0.0.0/8', [], '10.255.255.255', true],
    ['10.0.0.0/8', [], '11.0.0.0', false],
    ['10.0.0.0/8', ['10.96.0.0/12'], '10.100.0.1', false],
    ['10.0.0.0/8', ['10.96.0.0/12'], '10.112.0.0', true],
    ['192.0.2.7', [], '192.0.2.7', true],
    ['192.0.2.7', [], '192.0.2.6', false],
    ['192.0.2.129/25', [], '192.0.2.130', true],
    ['0.0.0.0/0', [], '255.0.0.1', true],
    ['0.0.0.0/0', [], '::1', false],
    ['::/0', [], '10.0.0.1', false],
    ['2001:db8::/33', [], '2001:db8:7fff::1', true],
    ['2001:db8::/33', [], '2001:db8:8000::1', false],
    ['2001:db8::/32', ['2001:db8:1::/48'], '2001:db8:1::9', false],
    ['10.0.0.0/8', [], '::ffff:10.1.1.1', true],
    ['::ffff:10.0.0.0/104', [], '10.1.1.1', true],
    ['10.0.0.0/8', [], 'nowhere', false],
    ['10.0.0.0/33', [], '10.0.0.0', false],
  ]
  for (const [cidr, except, address, expected] of TABLE) {
    const without = except.length > 0 ? ` without ${except.join(', ')}` : ''
    test(`${cidr}${without} ${expected ? 'has' : 'has not'} ${address}`, () =>
      assert.equal(cidrMatches(cidr, except, address), expected))
  }

  const NONE = ['', '1.2.3', '1.2.3.4.5', '01.2.3.4', '256.0.0.1', '1.2.3.4 ', ':::', '1::2::3', '12345::']
  for (const text of [
    ...NONE,
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '::1%eth0',
    '1.2.3.4::',
    '::1.2.3',
    'g::',
  ]) {
    test(`${JSON.stringify(text)} is no address`, () => assert.equal(parseAddress(text), undefined))
  }
  for (const text of [
    '10.0.0.0/',
    '10.0.0.0/08',
    '10.0.0.0/-1',
    '10.0.0.0/8/8',
    '::/129',
    '::ffff:0.0.0.0/95',
  ]) {
    test(`${JSON.stringify(text)} is no prefix`, () => assert.equal(parsePrefix(text), undefined))
  }
})
