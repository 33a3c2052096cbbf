/** When a request gets a cookie of the service's own, and what it says. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeBalance, encodeBalance } from '../../../agent/adapters/libbpf-balances.ts'
import { parseHttp1 } from '../../../pipelines/protocols/http1.ts'
import { type HashOf, Service } from '../../../pipelines/services/model.ts'
import { sessionCookie } from '../../../pipelines/services/session-cookie.ts'

const WORDS = [0x1, 0xfedc_ba98]
const VALUE = '00000001fedcba98'

function setFor(hash: HashOf, ...fields: string[]) {
  const [event] = parseHttp1(
    Buffer.from(['GET / HTTP/1.1', 'Host: x', ...fields, '', ''].join('\r\n'), 'latin1'),
  )
  assert.ok(event?.kind === 'head')
  let drawn = 0
  return sessionCookie(hash, event.request, () => WORDS[drawn++] as number)
}

const cookie = (ttlSeconds?: number): HashOf => ({
  of: 'cookie',
  name: 'way',
  ...(ttlSeconds !== undefined && { ttlSeconds }),
})

test('a request without the cookie gets one, with its age', () => {
  assert.deepEqual(setFor(cookie(60), 'Cookie: ways=1'), {
    value: VALUE,
    setCookie: `way=${VALUE}; Path=/; Max-Age=60; HttpOnly`,
  })
})

test('0 seconds is a cookie that the browser forgets when it closes', () => {
  assert.equal(setFor(cookie(0))?.setCookie, `way=${VALUE}; Path=/; HttpOnly`)
})

test('a request that has one, even an empty one, gets none; nor where the application sets it', () => {
  assert.equal(setFor(cookie(60), 'Cookie: a=b; way=1'), undefined)
  assert.equal(setFor(cookie(60), 'Cookie: way'), undefined)
  assert.equal(setFor(cookie()), undefined)
  assert.equal(setFor({ of: 'header', name: 'X' }), undefined)
})

test('the kernel is told of it, and back', () => {
  for (const hash of [cookie(), cookie(0), cookie(34_560_000)]) {
    const entry = {
      policy: 'maglev' as const,
      hash,
      consecutive5xx: 0,
      consecutiveResets: 0,
      baseMs: 0,
      maxPercent: 0,
      slowStartMs: 0,
      table: { first: 3, count: 251 },
    }
    assert.deepEqual(decodeBalance(encodeBalance(entry)), entry)
  }
})

test('a service says it beside the cookie, and nowhere else', () => {
  const service = (hash: object) =>
    Service.safeParse({
      namespace: 'a',
      name: 'b',
      ports: [{ port: 80 }],
      endpoints: [],
      balance: { policy: 'maglev', hash },
    }).success
  assert.ok(service({ of: 'cookie', name: 'way', ttlSeconds: 1 }))
  assert.ok(!service({ of: 'cookie', name: 'way', ttlSeconds: -1 }))
  assert.ok(!service({ of: 'cookie', name: 'way', ttlSeconds: 34_560_001 }))
  assert.ok(!service({ of: 'header', name: 'way', ttlSeconds: 1 }))
})
