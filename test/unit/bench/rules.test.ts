import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { evaluate } from '../../../pipelines/policy/evaluate.ts'
import { parseHttp1 } from '../../../pipelines/protocols/http1.ts'
import { mixedRules, requestHeads } from '../../bench/rules.ts'

const PORT = 8080
const subject = { namespace: 'bench', labels: { app: 'api' } }
const connection = {
  subject,
  peer: undefined,
  peerAddress: '10.77.2.1',
  port: PORT,
  protocol: 'TCP' as const,
}
const requests = requestHeads(1024).map((head) => {
  const event = parseHttp1(Buffer.from(head)).find(({ kind }) => kind === 'head')
  assert.ok(event?.kind === 'head')
  return event.request
})

describe('the requests of the inbound benchmark', () => {
  test('have heads of 600 bytes', () => {
    for (const bytes of [1, 1024, 65536]) {
      const lengths = requestHeads(bytes).map((head) => Buffer.byteLength(head))
      assert.deepEqual(new Set(lengths), new Set([600]))
    }
  })

  for (const count of [10, 200]) {
    test(`are all allowed by ${count} rules, each by a rule of its own`, () => {
      const set = mixedRules(count, PORT)
      const verdicts = requests.map((request) => evaluate(set, connection, request))
      assert.deepEqual(new Set(verdicts.map(({ kind }) => kind)), new Set(['allow']))
      const lines = verdicts.map(({ deciding }) => deciding?.source.line)
      assert.deepEqual(lines, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
    })
  }
})

test('the rules are 40 % exact, 40 % prefixes, 20 % infixes, with a header in a tenth', () => {
  const http = mixedRules(1000, PORT).policies[0]?.allow[0]?.http ?? []
  const infix = http.filter(({ path }) => path?.startsWith('.*'))
  const prefix = http.filter(({ path }) => path?.endsWith('/.*') && !path.startsWith('.*'))
  const headers = http.filter((match) => match.headers.length > 0)
  assert.deepEqual([http.length, prefix.length, infix.length, headers.length], [1000, 400, 200, 100])
})
