/** What of a rule only the relay does: retries, and the CORS filter. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { refusals } from './cilium-text.ts'
import { accepted, filter, onlyRule, rule } from './gateway-text.ts'

const cors = (parts: string) => `{type: CORS, cors: {${parts}}}`

describe('retries', () => {
  const read = (text: string) => onlyRule(rule(`retry: ${text}`)).retry
  test('as written', () =>
    assert.deepEqual(read('{codes: [500, 404], attempts: 10, backoff: 1m}'), {
      codes: [500, 404],
      attempts: 10,
      backoff: 60_000,
    }))
  test('bare', () => assert.deepEqual(read('{}'), { codes: [], attempts: 2, backoff: 25 }))
  test('none', () => assert.equal(onlyRule(rule('matches: []')).retry, undefined))
})

describe('the CORS filter', () => {
  test('as written', () => {
    const text =
      'allowOrigins: ["https://*.a:1", "http://b"], allowCredentials: true, allowMethods: [GET, PUT], allowHeaders: [X], exposeHeaders: [Y], maxAge: 7'
    assert.deepEqual(onlyRule(filter(cors(text))).filters, [
      {
        kind: 'cors',
        origins: ['https://*.a:1', 'http://b'],
        credentials: true,
        methods: ['GET', 'PUT'],
        headers: ['X'],
        expose: ['Y'],
        maxAge: 7,
      },
    ])
  })
  test('bare, which allows nobody and is warned about', () => {
    const { routes, warnings } = accepted(filter(cors('')))
    const lists = { origins: [], methods: [], headers: [], expose: [] }
    assert.deepEqual(routes[0]?.rules[0]?.filters, [
      { kind: 'cors', ...lists, credentials: false, maxAge: 5 },
    ])
    assert.match(warnings.join(), /this filter allows no origin/)
  })
})

refusals('refusals of retries', [
  ['retries without end', rule('retry: {attempts: 11}'), /limit-exceeded 11 retries .*more than 10 \|/],
  ['retries of what is no failure', rule('retry: {codes: [302]}'), /schema-violation .*codes/],
  ['a code twice', rule('retry: {codes: [500, 500]}'), /schema-violation `500` stands twice/],
  ['retries after hours', rule('retry: {backoff: 61s}'), /limit-exceeded a backoff of 61s, more than 60s/],
])

refusals('refusals of CORS', [
  ['CORS without a body', filter('{type: CORS}'), /schema-violation CORS without `cors`/],
  ['two CORS filters', filter(`${cors('')}, ${cors('')}`), /schema-violation a second CORS/],
  ['an origin with a path', filter(cors('allowOrigins: ["https://a.b/c"]')), /schema-violation .*no origin/],
  ['an origin of no port', filter(cors('allowOrigins: ["http://a:65536"]')), /`65536` in .* is no port/],
  ['an origin twice', filter(cors('allowOrigins: ["http://a", "http://a"]')), /stands twice/],
  ['all origins and one', filter(cors('allowOrigins: ["*", "http://a"]')), /`\*` cannot stand beside/],
  ['all methods and one', filter(cors('allowMethods: ["*", GET]')), /`\*` cannot stand beside/],
  ['all headers and one', filter(cors('allowHeaders: ["*", x]')), /`\*` cannot stand beside/],
  [
    'all headers exposed with credentials',
    filter(cors('allowCredentials: true, exposeHeaders: ["*"]')),
    /unsupported-feature `\*` exposes nothing .* \| name the headers/,
  ],
  ['an age below a second', filter(cors('maxAge: 0')), /schema-violation .*maxAge/],
])
