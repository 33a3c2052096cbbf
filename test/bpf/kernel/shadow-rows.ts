/** Pairs of policies, what is sent to a node that judges by the first, and what the second one finds. */
import type { ShadowCounts } from '../../../agent/ports.ts'
import { ShadowLimit } from '../../../bpf/abi/heddle.gen.ts'
import type { PolicySet } from '../../../pipelines/policy/model.ts'
import { oneRule } from './one-rule.ts'
import { allowing, get } from './shadow-fixture.ts'

/** Lets nobody in: no rule is for any peer. */
export function closed(): PolicySet {
  const set = oneRule()
  return { ...set, policies: set.policies.map((policy) => ({ ...policy, allow: [] })) }
}

/** Bytes flow unread: an L3/L4 rule absorbs the others. */
function unread(): PolicySet {
  const set = oneRule()
  const policies = set.policies.map((policy) => ({
    ...policy,
    allow: policy.allow.map((rule) => ({ ...rule, http: null })),
  }))
  return { ...set, policies }
}

type Row = {
  what: string
  policies: [active: keyof typeof POLICIES, candidate: keyof typeof POLICIES]
  sent: string[]
  statuses: number[]
  counts: Partial<ShadowCounts>
}

export const both = allowing('/open', '/both')
export const POLICIES = { both, fewer: allowing('/both'), closed: closed(), unread: unread() }
export const post = (path: string, body: string) =>
  `POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n${body}`
const chunks = `POST /both HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-T: t\r\n\r\n`
const large = (path: string) => get(path, `X-Large: ${'v'.repeat(6000)}\r\n`)
const tooLarge = get('/open', `X-Large: ${'v'.repeat(17_000)}\r\n`)

export const ROWS: Row[] = [
  {
    what: 'a candidate that denies more',
    policies: ['both', 'fewer'],
    sent: [get('/open'), get('/both')],
    statuses: [200, 200],
    counts: { agree: 1, newDenies: 1 },
  },
  {
    what: 'a candidate that allows more',
    policies: ['fewer', 'both'],
    sent: [get('/both'), get('/open')],
    statuses: [200, 403],
    counts: { agree: 1, newAllows: 1 },
  },
  {
    what: 'the same policy',
    policies: ['both', 'both'],
    sent: [get('/open'), get('/none')],
    statuses: [200, 403],
    counts: { agree: 2 },
  },
  {
    what: 'refused by both, and not in the same words',
    policies: ['both', 'closed'],
    sent: [get('/none')],
    statuses: [403],
    counts: { other: 1 },
  },
  {
    what: 'a candidate that would have had no connection',
    policies: ['both', 'closed'],
    sent: [get('/open') + get('/both')],
    statuses: [200, 200],
    counts: { newDenies: 2 },
  },
  {
    what: 'what is not HTTP, and only the candidate reads',
    policies: ['unread', 'both'],
    sent: ['\x16\x03\x01\x02\x00\x01\x00'],
    statuses: [],
    counts: { newDenies: 1 },
  },
  {
    what: 'a request that no canonical reader takes, and only the active one reads',
    policies: ['both', 'unread'],
    sent: ['GET /open HTTP/1.1\nHost: a\r\n\r\n'],
    statuses: [400],
    counts: { newAllows: 1 },
  },
  {
    what: 'pipelined in one segment: behind a refusal nothing is judged',
    policies: ['fewer', 'both'],
    sent: [get('/both') + get('/both') + get('/open') + get('/both')],
    statuses: [200, 200, 403],
    counts: { agree: 2, newAllows: 1 },
  },
  {
    what: 'more in one segment than a seat has places for',
    policies: ['both', 'fewer'],
    sent: [get('/open').repeat(70)],
    statuses: new Array(70).fill(200),
    counts: { newDenies: ShadowLimit.SHADOW_MESSAGES, unseen: 70 - ShadowLimit.SHADOW_MESSAGES },
  },
  {
    what: 'bodies and chunks between them, cut anywhere',
    policies: ['both', 'fewer'],
    sent: [...`${post('/open', 'x'.repeat(40))}${chunks}${post('/open', 'y')}${get('/both')}`],
    statuses: [200, 200, 200, 200],
    counts: { agree: 2, newDenies: 2 },
  },
  {
    what: 'heads larger than a window',
    policies: ['both', 'fewer'],
    sent: [large('/open'), large('/both')],
    statuses: [200, 200],
    counts: { agree: 1, newDenies: 1 },
  },
  {
    what: 'a head that is too large for either',
    policies: ['both', 'fewer'],
    sent: [tooLarge],
    statuses: [431],
    counts: { agree: 1 },
  },
]
