/** `heddle node stats`: what audit rules saw, for people. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { auditsText, viewAudits } from '../../../infra/node/audited.ts'
import type { Subject } from '../../../infra/node/subject.ts'
import { nodeFleet } from '../../fakes/node-fleet.ts'

const counts = { allowed: 0, refused: 0, unread: 0 }
const rule = { namespace: 'shop', policy: 'api', rule: 'admin', reason: null, samples: [], ...counts }

test('a rule that has seen nothing is told as well', () => {
  assert.equal(auditsText([rule]), 'audit     shop/api admin\n          0 allowed, 0 refused\n')
  assert.equal(auditsText([]), '')
})

test('counts, and samples by who, what, where and what came of it', () => {
  const sample = {
    at: '2026-11-24T00:00:00.000Z',
    source: 'shop/web (10.0.0.1)',
    destination: 'shop/api (10.0.0.2) port 80',
    request: { method: 'GET', path: '/admin' },
    verdict: { allowed: false, reason: 'DENIED', status: 403 },
  }
  const pieces = { ...sample, request: null, verdict: { allowed: true, reason: 'ALLOWED', status: null } }
  assert.equal(
    auditsText([
      {
        ...rule,
        reason: 'before we deny it',
        ...{ allowed: 4, refused: 2, unread: 1 },
        samples: [sample, pieces],
      },
    ]),
    [
      'audit     shop/api admin (before we deny it)',
      "          4 allowed, 2 refused, 1 that can't be read",
      '          2026-11-24T00:00:00.000Z GET /admin from shop/web (10.0.0.1) to shop/api (10.0.0.2) port 80: DENIED 403',
      '          2026-11-24T00:00:00.000Z a head that came in pieces from shop/web (10.0.0.1) to shop/api (10.0.0.2) port 80: allowed',
      '',
    ].join('\n'),
  )
})

test('what is shown are the rules of what is enforced, in the words of the fleet', async (t) => {
  const fleet = await nodeFleet()
  t.after(() => fleet.close())
  const seen = { id: '7', namespace: 'shop', policy: 'api', rule: 'admin', reason: 'who asks?' }
  const audits = [seen, { id: '8', namespace: 'shop', policy: 'api', rule: 'quiet' }]
  await fleet.published.release('canary', 1, await fleet.artifact('one', { audits }))
  await fleet.pass()
  fleet.kernel.audited.set('7', { allowed: 1, refused: 1, unread: 0 })
  fleet.kernel.audits.samples = async () =>
    new Map([
      [
        '7',
        [
          {
            agoMs: 5,
            source: { address: '10.0.0.9', port: 4000, identity: null },
            destination: { address: '10.0.0.1', port: 80 },
            request: { method: 'GET', path: '/admin' },
            verdict: { allowed: false, reason: 'LIMITED', status: 429 },
          },
        ],
      ],
    ])
  const workloadsFile = join(fleet.directory, 'workloads.json')
  const cart = { name: 'cart', namespace: 'shop', labels: {}, addresses: ['10.0.0.1'] }
  await writeFile(workloadsFile, JSON.stringify({ workloads: [cart] }))
  const { state, disk } = await fleet.node()
  const subject = { kernel: fleet.kernel, state: state.current, disk, workloadsFile } as unknown as Subject
  const [first, second] = await viewAudits(subject)
  assert.deepEqual([first?.rule, first?.reason, first?.allowed, first?.refused], ['admin', 'who asks?', 1, 1])
  const [sample] = first?.samples ?? []
  assert.deepEqual(
    [sample?.source, sample?.destination, sample?.request?.path, sample?.verdict.status],
    ['world (10.0.0.9)', 'shop/cart (10.0.0.1) port 80', '/admin', 429],
  )
  assert.deepEqual([second?.rule, second?.reason, second?.allowed, second?.samples], ['quiet', null, 0, []])
})
