/** `heddle node stats`: what audit rules saw, for people. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { auditsText } from '../../../infra/node/audited.ts'

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
