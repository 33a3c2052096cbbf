import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { evaluate } from '../../../pipelines/policy/evaluate.ts'
import type { HttpMatch } from '../../../pipelines/policy/model.ts'
import { http, policy, request, rule, workload } from './small-policies.ts'

describe('request parts', () => {
  const judged = (match: Partial<HttpMatch>, fields: [string, string][], method = 'GET', target = '/') =>
    evaluate(
      { policies: [policy({ allow: [rule(3, { http: [http(4, match)] })] })], routes: [] },
      { subject: workload('api'), peer: workload('web'), peerAddress: '', port: 80, protocol: 'TCP' },
      request(method, target, fields),
    ).kind === 'allow'

  const TABLE: [string, Partial<HttpMatch>, [string, string][], boolean][] = [
    ['a host pattern reads the Host value', { host: 'api\\.x(:80)?' }, [['Host', 'api.x:80']], true],
    ['a host pattern is a full match', { host: 'api' }, [['Host', 'api.x']], false],
    ['a host pattern needs a Host', { host: '.*' }, [], false],
    ['a header name has no case', { headers: [{ name: 'X-A', value: '1' }] }, [['x-a', '1']], true],
    ['a header value has case', { headers: [{ name: 'X-A', value: 'a' }] }, [['X-A', 'A']], false],
    ['a header value is whole', { headers: [{ name: 'X-A', value: 'a' }] }, [['X-A', 'ab']], false],
    [
      'a header value beyond ASCII is its UTF-8',
      { headers: [{ name: 'X-A', value: 'é' }] },
      [['X-A', 'é']],
      true,
    ],
    [
      'a header given twice is one list',
      { headers: [{ name: 'X-A', value: '1,1' }] },
      [
        ['X-A', '1'],
        ['x-a', '1'],
      ],
      true,
    ],
    [
      'a header given twice is none of its values',
      { headers: [{ name: 'X-A', value: '1' }] },
      [
        ['X-A', '1'],
        ['X-A', '1'],
      ],
      false,
    ],
    [
      'a header given twice is there',
      { headers: [{ name: 'X-A' }] },
      [
        ['X-A', '1'],
        ['X-A', '2'],
      ],
      true,
    ],
    ['a header that is there may be empty', { headers: [{ name: 'X-A' }] }, [['X-A', '']], true],
    ['an absent header matches nothing', { headers: [{ name: 'X-A' }] }, [['X-B', '']], false],
    [
      'all headers must match',
      { headers: [{ name: 'X-A' }, { name: 'X-B', value: '2' }] },
      [
        ['X-A', '1'],
        ['X-B', '3'],
      ],
      false,
    ],
    ['a method pattern is a full match', { method: 'GE' }, [], false],
    ['a method has case', { method: 'get' }, [], false],
  ]
  for (const [says, match, fields, expected] of TABLE) {
    test(says, () => assert.equal(judged(match, fields), expected))
  }

  test('an expression that is none fails closed, with its code', () => {
    assert.throws(() => judged({ path: '(' }, []), { code: 'expression-invalid' })
  })
})
