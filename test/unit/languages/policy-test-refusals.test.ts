/** What a case may not say, and where it is refused. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { askService, askWorkload, document, GET, TO } from './case-text.ts'
import { refused } from './cilium-text.ts'

const DENY = 'expect: {verdict: deny}'

const REFUSED: [string, string, string][] = [
  ['an unknown field', `{name: n, reqest: {line: GET /}, ${TO}, ${DENY}}`, '5:13 unknown-field .*`request`'],
  ['no name', `{${GET}, ${TO}, ${DENY}}`, '5:3 schema-violation `cases\\[0\\].name`'],
  ['a name of two lines', `{name: "a\\nb", ${GET}, ${TO}, ${DENY}}`, '5:4 schema-violation .*one line'],
  ['no expectation', `{name: n, ${GET}, ${TO}}`, '5:3 schema-violation `cases\\[0\\].expect`'],
  ['no question', `{name: n, ${TO}, ${DENY}}`, '5:3 .*either `request` or `connect` \\| write one'],
  [
    'two questions',
    askWorkload('verdict: drop', `${GET}, connect: true`),
    '5:.* either `request` or `connect` .*remove',
  ],
  [
    'connect: false',
    askWorkload('verdict: drop', 'connect: false'),
    '5:\\d+ schema-violation `cases\\[0\\].connect`',
  ],
  ['nobody who is asked', `{name: n, ${GET}, ${DENY}}`, '5:3 .*either `to` or `service` \\| write one'],
  [
    'two who are asked',
    `{name: n, ${GET}, ${TO}, service: {name: a}, ${DENY}}`,
    '5:.*either `to` or `service` .*remove',
  ],
  ['no method', askWorkload('verdict: deny', 'request: {line: /a}'), '5:\\d+ .*method and target'],
  [
    'a version',
    askWorkload('verdict: deny', 'request: {line: GET /a HTTP/1.0}'),
    '5:\\d+ .*HTTP/1.1 is implied',
  ],
  [
    'two requests',
    askWorkload('verdict: deny', 'request: {line: "GET /\\r\\n\\r\\nGET /b"}'),
    '5:\\d+ .*method and target',
  ],
  [
    'a target that is none',
    askWorkload('verdict: deny', 'request: {line: "GET a"}'),
    '5:\\d+ .*no canonical request .bad-target.',
  ],
  [
    'a protocol that is none of ours',
    askWorkload('verdict: deny', 'request: {line: "PRI *"}'),
    '5:\\d+ .*no canonical request',
  ],
  [
    'no name of a header',
    askWorkload('verdict: deny', 'request: {line: GET /, headers: {"a: b": c}}'),
    '5:\\d+ schema-violation .*a: b',
  ],
  [
    'a header of two lines',
    askWorkload('verdict: deny', 'request: {line: GET /, headers: {a: "b\\r\\nc: d"}}'),
    '5:\\d+ .*one line',
  ],
  [
    'a header of no value',
    askWorkload('verdict: deny', 'request: {line: GET /, headers: {a: []}}'),
    '5:\\d+ schema-violation .*headers.a',
  ],
  [
    'two hosts',
    askWorkload('verdict: deny', 'request: {line: GET /, headers: {host: [a, b]}}'),
    '5:\\d+ .*no canonical request .bad-host.',
  ],
  ['nobody who asks', askWorkload('verdict: deny', `${GET}, from: {}`), '5:\\d+ .*not said who asks'],
  [
    'a namespace alone',
    askWorkload('verdict: deny', `${GET}, from: {namespace: a}`),
    '5:\\d+ .*not said who asks',
  ],
  [
    'an address with labels',
    askWorkload('verdict: deny', `${GET}, from: {labels: {}, address: 192.0.2.1}`),
    '5:\\d+ .*of the world',
  ],
  [
    'an address with a namespace',
    askWorkload('verdict: deny', `${GET}, from: {namespace: a, address: 192.0.2.1}`),
    '5:\\d+ .*of the world',
  ],
  ['no address', askWorkload('verdict: deny', `${GET}, from: {address: 192.0.2}`), '5:\\d+ .*no address'],
  [
    'a port of 0',
    `{name: n, ${GET}, to: {labels: {}, port: 0}, ${DENY}}`,
    '5:\\d+ schema-violation .*to.port',
  ],
  [
    'a workload without labels',
    `{name: n, ${GET}, to: {port: 80}, ${DENY}}`,
    '5:\\d+ schema-violation .*to.labels',
  ],
  ['no name of a service', `{name: n, ${GET}, service: {name: A}, ${DENY}}`, '5:\\d+ .*no name of a service'],
  [
    'chance where a workload is asked',
    askWorkload('verdict: deny', `${GET}, random: 0.5`),
    '5:\\d+ .*at random',
  ],
  ['a share above all', askService('forward: a', `${GET}, random: 1`), '5:\\d+ schema-violation .*random'],
  [
    'a connection to a service',
    askService('status: 404', 'connect: true'),
    '5:\\d+ .*by a workload, not by a service',
  ],
  [
    'an address that asks a service',
    askService('status: 404', `${GET}, from: {address: 192.0.2.1}`),
    '5:\\d+ .*does not depend on the address',
  ],
  ['no verdict', askWorkload('status: 403'), '5:\\d+ .*expects a verdict'],
  ['an unknown verdict', askWorkload('verdict: refuse'), '5:\\d+ schema-violation .*verdict'],
  ['a status of what passes', askWorkload('verdict: allow, status: 200'), '5:\\d+ .*allow has no status'],
  ['an unknown reason', askWorkload('verdict: deny, reason: because'), '5:\\d+ schema-violation .*reason'],
  [
    "another verdict's reason",
    askWorkload('verdict: deny, reason: not-selected'),
    '5:\\d+ .*never for not-selected \\| it is of verdict pass',
  ],
  [
    'a reason that no case meets',
    askWorkload('verdict: deny, reason: unparsed-refuse'),
    '5:\\d+ .*\\| it is said of what is no HTTP',
  ],
  [
    'a connection that is denied',
    askWorkload('verdict: deny', 'connect: true'),
    '5:\\d+ .*a connection is not denied',
  ],
  [
    'a reason where requests are judged',
    askWorkload('verdict: allow, reason: request-matches', 'connect: true'),
    '5:\\d+ .*`reason`: no one rule',
  ],
  [
    'a policy where requests are judged',
    askWorkload('verdict: allow, policy: p', 'connect: true'),
    '5:\\d+ .*`policy`: no one rule',
  ],
  [
    'a line where requests are judged',
    askWorkload('verdict: allow, line: 1', 'connect: true'),
    '5:\\d+ .*`line`: no one rule',
  ],
  ...['forward: a', 'redirect: {}', 'port: 80', 'path: /', 'host: a', 'requestHeaders: {}'].map(
    (field): [string, string, string] => [
      `${field} of a workload`,
      askWorkload(`verdict: allow, ${field}`),
      `5:\\d+ schema-violation \`${field.split(':')[0]}\`: no answer of the workload`,
    ],
  ),
  ...['verdict: allow', 'reason: not-selected', 'policy: p', 'line: 1'].map(
    (field): [string, string, string] => [
      `${field} of a service`,
      askService(`status: 404, ${field}`),
      `5:\\d+ schema-violation \`${field.split(':')[0]}\`: no answer of the service`,
    ],
  ),
  ...['port: 80', 'path: /', 'host: a', 'requestHeaders: {}'].map((field): [string, string, string] => [
    `${field} without a way`,
    askService(`status: 404, ${field}`),
    `5:\\d+ schema-violation \`${field.split(':')[0]}\`: it is of a request that is forwarded`,
  ]),
  ['no outcome', askService('{}'.slice(2)), '5:\\d+ .*one of `forward`, `redirect` and `status`'],
  [
    'two outcomes',
    askService('forward: a, status: 404'),
    '5:\\d+ .*one of `forward`, `redirect` and `status`',
  ],
  ['a status that no route answers with', askService('status: 199'), '5:\\d+ .*no route answers with 199'],
  ['a service that has no name', askService('forward: a/b/c'), '5:\\d+ .*name or namespace/name'],
  ['a path with its query', askService('forward: a, path: "/?a"'), '5:\\d+ .*no query'],
  [
    'a redirect that is none',
    askService('redirect: {status: 404}'),
    '5:\\d+ schema-violation .*redirect.status',
  ],
]

describe('a case is refused, at its place:', () => {
  for (const [says, text, expected] of REFUSED) {
    test(says, () => {
      const found = refused(document([text]))
      assert.ok(
        found.some((line) => new RegExp(`^t\\.yaml:${expected}`).test(line)),
        found.join('\n'),
      )
      assert.equal(found.length, 1, found.join('\n'))
      for (const line of found) assert.match(line, /\| .+/, 'every finding says what to do')
    })
  }
})
