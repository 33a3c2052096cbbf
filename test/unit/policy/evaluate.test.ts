import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { evaluate, type Verdict } from '../../../pipelines/policy/evaluate.ts'
import type { Policy } from '../../../pipelines/policy/model.ts'
import type { Request } from '../../../pipelines/protocols/http1-request.ts'
import { from, http, policy, request, rule, tcp, workload } from './small-policies.ts'

type Case = {
  says: string
  policies: Policy[]
  subject?: string | null
  peer?: string | null
  address?: string
  port?: number
  request?: Request | 'unparsed'
  verdict: string
  line?: number
}

const get = rule(5, {
  peers: from('web'),
  ports: tcp(80),
  http: [http(7, { method: 'GET', path: '/public' })],
})
const CASES: Case[] = [
  { says: 'no policy selects the subject', policies: [], verdict: 'pass not-selected' },
  {
    says: 'the subject is not managed',
    policies: [policy({ allow: [get] })],
    subject: null,
    verdict: 'pass not-selected',
  },
  {
    says: 'the subject is another workload',
    policies: [policy({ allow: [get] })],
    subject: 'db',
    verdict: 'pass not-selected',
  },
  {
    says: 'a policy without rules selects',
    policies: [policy({})],
    verdict: 'deny-l4 no-rule-for-peer-and-port',
    line: 1,
  },
  {
    says: 'a policy that does not select and has no rules',
    policies: [policy({ selects: false })],
    verdict: 'pass not-selected',
  },
  {
    says: 'the request matches',
    policies: [policy({ allow: [get] })],
    verdict: 'allow request-matches',
    line: 7,
  },
  {
    says: 'the request does not match',
    policies: [policy({ allow: [get] })],
    request: request('POST', '/public'),
    verdict: 'deny-l7 no-request-rule-matches',
    line: 5,
  },
  {
    says: 'a path is a full match',
    policies: [policy({ allow: [get] })],
    request: request('GET', '/public/x'),
    verdict: 'deny-l7 no-request-rule-matches',
  },
  {
    says: 'a path is matched with its query',
    policies: [policy({ allow: [get] })],
    request: request('GET', '/public?x'),
    verdict: 'deny-l7 no-request-rule-matches',
  },
  {
    says: 'another peer is dropped, not answered',
    policies: [policy({ allow: [get] })],
    peer: 'evil',
    verdict: 'deny-l4 no-rule-for-peer-and-port',
  },
  {
    says: 'another port is dropped',
    policies: [policy({ allow: [get] })],
    port: 81,
    verdict: 'deny-l4 no-rule-for-peer-and-port',
  },
  {
    says: 'an L4 allow absorbs L7 rules',
    policies: [policy({ allow: [get, rule(9, { peers: from('web') })] })],
    request: request('DELETE', '/'),
    verdict: 'pass allowed-l4',
    line: 9,
  },
  {
    says: 'an L4 allow of another peer does not',
    policies: [policy({ allow: [get, rule(9, { peers: from('ops') })] })],
    request: request('DELETE', '/'),
    verdict: 'deny-l7 no-request-rule-matches',
  },
  {
    says: 'deny wins over allow, whatever policy it is in',
    policies: [policy({ allow: [rule(3, {})] }), policy({ deny: [rule(4, { peers: from('web') })] })],
    verdict: 'deny-l4 denied-by-rule',
    line: 4,
  },
  {
    says: 'deny drops although nothing is default-deny',
    policies: [policy({ selects: false, deny: [rule(4, {})] })],
    verdict: 'deny-l4 denied-by-rule',
  },
  {
    says: 'a policy that only denies lets the others pass',
    policies: [policy({ selects: false, deny: [rule(4, { ports: tcp(22) })] })],
    verdict: 'pass not-selected',
  },
  {
    says: 'an empty list of peers is no one',
    policies: [policy({ allow: [rule(3, { peers: [] })] })],
    verdict: 'deny-l4 no-rule-for-peer-and-port',
  },
  {
    says: 'everyone includes the world',
    policies: [policy({ allow: [rule(3, {})] })],
    peer: null,
    verdict: 'pass allowed-l4',
  },
  {
    says: 'a CIDR matches the world',
    policies: [policy({ allow: [rule(3, { peers: [{ kind: 'cidr', cidr: '10.0.0.0/8', except: [] }] })] })],
    peer: null,
    verdict: 'pass allowed-l4',
  },
  {
    says: 'a CIDR does not match its exception',
    policies: [
      policy({
        allow: [rule(3, { peers: [{ kind: 'cidr', cidr: '10.0.0.0/8', except: ['10.1.0.0/16'] }] })],
      }),
    ],
    peer: null,
    verdict: 'deny-l4 no-rule-for-peer-and-port',
  },
  {
    says: 'a CIDR never matches a workload',
    policies: [policy({ allow: [rule(3, { peers: [{ kind: 'cidr', cidr: '0.0.0.0/0', except: [] }] })] })],
    verdict: 'deny-l4 no-rule-for-peer-and-port',
  },
  {
    says: 'an endpoint selector never matches the world',
    policies: [
      policy({
        allow: [
          rule(3, { peers: [{ kind: 'endpoints', selector: { namespaces: null, requirements: [] } }] }),
        ],
      }),
    ],
    peer: null,
    verdict: 'deny-l4 no-rule-for-peer-and-port',
  },
  {
    says: 'TLS on a judged port is refused',
    policies: [policy({ allow: [get] })],
    request: 'unparsed',
    verdict: 'deny-l7 unparsed-refuse',
  },
  {
    says: 'TLS passes where a judging policy says so',
    policies: [policy({ allow: [get] }), policy({ unparsed: 'pass', allow: [get] })],
    request: 'unparsed',
    verdict: 'allow unparsed-pass',
  },
  {
    says: 'an empty match is every request',
    policies: [policy({ allow: [rule(3, { http: [http(4, {})] })] })],
    request: request('DELETE', '*', []),
    verdict: 'allow request-matches',
    line: 4,
  },
  {
    says: 'rules of all judging policies count',
    policies: [policy({ allow: [get] }), policy({ allow: [rule(9, { http: [http(10, { path: '/x' })] })] })],
    request: request('PUT', '/x'),
    verdict: 'allow request-matches',
    line: 10,
  },
]

describe('evaluate', () => {
  for (const item of CASES) {
    test(item.says, () => {
      const verdict: Verdict = evaluate(
        { policies: item.policies, routes: [] },
        {
          subject: item.subject === null ? undefined : workload(item.subject ?? 'api'),
          peer: item.peer === null ? undefined : workload(item.peer ?? 'web'),
          peerAddress: item.address ?? '10.1.2.3',
          port: item.port ?? 80,
          protocol: 'TCP',
        },
        item.request ?? request('GET', '/public'),
      )
      assert.equal(`${verdict.kind} ${verdict.reason}`, item.verdict)
      if (item.line !== undefined) assert.equal(verdict.deciding?.source.line, item.line)
    })
  }
})
