import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseStats, statsText } from '../../../infra/node/stats.ts'
import { ClientReason } from '../../../bpf/abi/heddle.gen.ts'

const QUIET = {
  node: 'n1',
  attached: true,
  uptimeMs: 61_000,
  rssBytes: 2 ** 26,
  cpuMs: 1_234,
  counters: { ALLOWED: 7 },
  endings: { afterReply: 2, destroyed: 0 },
  modes: { 'shop/a': { mode: 'kernel', reason: 'declared' } },
  outbound: null,
  complaints: 0,
  kernel: { more: 'than is told' },
}
const SERVED = {
  requests: { forwarded: 2, routedReply: 1, broken: 0 },
  retries: 0,
  connections: { taken: 5, turnedAway: 0, open: 4 },
  bytes: { fromClients: 1, toClients: 2 },
  upstreams: 6,
  counters: { KERNEL_ROUTED: 90, KERNEL_ANSWERED: 7, SLOW_POOL: 1, SLOW_REFUSED: 2 },
}
const text = (more: object) => statsText(parseStats({ ...QUIET, ...more }))

test('says what happened, and leaves out what did not', () => {
  assert.equal(
    text({}),
    [
      'relay of n1: up 1 min, 64 MB, 1.2 s of CPU',
      'inbound   ALLOWED 7',
      'endings   afterReply 2',
      'outbound  no dispatcher that knows services is attached',
      'mode      shop/a kernel (declared)',
      '',
    ].join('\n'),
  )
})

test("says the slow path's share of requests, what became of them, and why it was taken, the most frequent reason first", () => {
  const lines = text({ outbound: SERVED }).split('\n')
  const at = lines.findIndex((line) => line.startsWith('outbound'))
  assert.deepEqual(lines.slice(at, at + 5), [
    'outbound  97 requests (97.0 %) by the kernel, 3 requests (3.0 %) by the relay',
    '          4 connections open, 5 taken, 6 upstreams',
    'relay     forwarded 2  routedReply 1',
    '          2 SLOW_REFUSED: no route, no rule or no endpoint: the relay gives the answer',
    '          1 SLOW_POOL: no idle upstream',
  ])
})

test('says of each breaker what it is, how often it opened, and whom it refused', () => {
  const breaker = { service: '10.96.0.1:80', state: 'half-open', trips: 2 }
  const refused = { open: 7, 'in-flight': 0, pending: 1 }
  const said = text({ outbound: { ...SERVED, breakers: [{ ...breaker, refused }] } })
  assert.match(
    said,
    /^breaker {3}10.96.0.1:80 is half-open, opened 2 times, 7 refused: open, 1 refused: pending$/m,
  )
})

test('nothing asked yet is no share', () => {
  const quiet = { ...SERVED, requests: {}, counters: {} }
  assert.match(text({ outbound: quiet }), /^outbound {2}0 requests by the kernel, 0 requests by the relay$/m)
})

test('what needs somebody stands out', () => {
  assert.match(text({ complaints: 3, attached: false }), /CPU, nothing attached\n[\s\S]*complaints 3: /)
})

test('every reason for the slow path has words', () => {
  const slow = Object.keys(ClientReason).filter((name) => name.startsWith('SLOW_'))
  const said = text({
    outbound: { ...SERVED, counters: Object.fromEntries(slow.map((name) => [name, 1])) },
  })
  for (const name of slow) assert.match(said, new RegExp(`1 ${name}: (?!see )`))
})

test('what is no answer of a relay is refused', () => {
  assert.throws(() => parseStats({ node: 'n1' }))
})
