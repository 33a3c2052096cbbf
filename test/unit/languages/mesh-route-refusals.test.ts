import { test } from 'node:test'
import assert from 'node:assert/strict'
import { refusals, refused } from './cilium-text.ts'
import { apart, grant, service } from './gateway-text.ts'
import { mesh, routed, routes, TO } from './mesh-text.ts'

const many = (count: number, text: string) => new Array(count).fill(text).join(', ')
const spec = (text: string) => ({
  path: 'm.yaml',
  text: `apiVersion: heddle.dev/v1\nkind: MeshPolicy\nmetadata: {name: m}\nspec:\n  {${text}}`,
})
const RULES = 'rules: [{action: allow}]'
const SERVICE = 'service: {name: echo}'

refusals('refusals of a policy that is of two forms, or of none', [
  [
    'subject and service',
    spec(`subject: {}, ${SERVICE}, ${RULES}`),
    /^m.yaml:5:17 schema-violation `service` beside `subject` \| write two policies/,
  ],
  ['neither', spec(RULES), /:4:1 schema-violation a policy about nobody \| write subject and rules, or/],
  ['no rules', spec('subject: {}'), /:4:1 schema-violation a subject without rules/],
  ['no routes', spec(SERVICE), /:4:1 schema-violation a service without routes/],
  [
    'routes of a subject',
    mesh('{action: allow}', `  routes: [{${TO}}]`),
    /:7:3 schema-violation `routes` of a subject \| .*with service: in place of subject:/,
  ],
  [
    'rules of a service',
    routes(`{${TO}}`, '{name: a}', `, ${RULES}`),
    /:5:\d+ schema-violation `rules` of a service/,
  ],
  [
    'paths of a service',
    routes(`{${TO}}`, '{name: a}', ', paths: {}'),
    /schema-violation `paths` of a service/,
  ],
  ['unparsed of a service', routes(`{${TO}}`, '{name: a}', ', unparsed: pass'), /`unparsed` of a service/],
  [
    'an annotation that speaks of a subject',
    {
      path: 'm.yaml',
      text: `apiVersion: heddle.dev/v1\nkind: MeshPolicy\nmetadata: {name: m, annotations: {heddle.dev/refuses: GET /}}\nspec: {${SERVICE}, routes: [{${TO}}]}`,
    },
    /:3:35 unknown-field `heddle.dev\/refuses` on a policy of a service/,
  ],
])

refusals('refusals of services', [
  [
    'no name of a Service',
    routes(`{${TO}}`, '{name: Echo}'),
    /:5:14 schema-violation .*no name of a Service/,
  ],
  ['no port', routes(`{${TO}}`, '{name: echo, port: 0}'), /schema-violation `spec.service.port`/],
  [
    'a destination without port',
    routes('{to: [{service: a}]}'),
    /schema-violation `spec.routes\[0\].to\[0\].port`/,
  ],
  ['no destination', routes('{to: []}'), /schema-violation `spec.routes\[0\].to`/],
  ['no weight', routes('{to: [{service: a, port: 80, weight: -1}]}'), /schema-violation .*weight/],
  [
    'weights that come to nothing',
    routes('{to: [{service: a, port: 80, weight: 0}]}'),
    /:5:37 schema-violation no service of this route gets a request/,
  ],
  [
    'more destinations than are compared',
    routes(`{to: [${many(65, '{service: a, port: 80}')}]}`),
    /limit-exceeded 65 services in one route, more than 64/,
  ],
  [
    'another namespace without a grant',
    routes('{to: [{service: a, namespace: other, port: 80}]}'),
    /:5:43 tenancy-violation namespace `other` does not let MeshPolicies of `default` .*\| a ReferenceGrant in other/,
  ],
])

test('what the repository says of a Service is held against routes', () => {
  const cases: [string, RegExp][] = [
    ['{ports: [{port: 81}]}', /schema-violation Service default\/a has no TCP port 80/],
    ['{ports: [{port: 80, appProtocol: kubernetes.io/h2c}]}', /unsupported-feature port 80 .* speaks/],
    ['{type: ExternalName}', /unsupported-feature Service default\/a is of type ExternalName/],
  ]
  for (const [text, expected] of cases)
    assert.match(refused(...apart(routes(`{${TO}}`), service('a', text))).join('\n'), expected)
  const headless = service('echo', '{clusterIP: None}')
  assert.match(
    refused(...apart(routes(`{${TO}}`), headless)).join('\n'),
    /^0.yaml:5:4 unsupported-feature .*headless/,
  )
})

test('a grant to HTTPRoutes is none to MeshPolicies', () => {
  const found = refused(
    ...apart(routes('{to: [{service: a, namespace: other, port: 80}]}'), grant('other', 'default')),
  )
  assert.match(found.join('\n'), /tenancy-violation/)
})

const matched = (text: string) => routed(`match: ${text}`)
refusals('refusals of what no match of a route says', [
  [
    'not',
    matched('{not: {method: GET}}'),
    /:5:75 unsupported-feature routes do not ask for `not` \| .* says more/,
  ],
  ['cookies', matched('{cookies: [{name: a}]}'), /unsupported-feature .*`cookies` \| .*name: cookie/],
  ['a media type', matched('{mediaType: a/b}'), /unsupported-feature .*`mediaType` \| .*content-type/],
  ['a charset', matched('{charset: utf-8}'), /unsupported-feature .*`charset`/],
  ['a coding', matched('{any: [{contentEncoding: gzip}]}'), /unsupported-feature .*`contentEncoding`/],
  ['absence', matched('{headers: [{name: a, absent: true}]}'), /unsupported-feature .*what is absent/],
  ['absence of a parameter', matched('{all: [{query: [{name: a, absent: true}]}]}'), /what is absent/],
  [
    'two paths',
    matched('{path: {prefix: /a}, all: [{path: {suffix: b}}]}'),
    /a route asks for the path twice/,
  ],
  ['two methods', matched('{method: GET, all: [{method: PUT}]}'), /a route asks for the method twice/],
  ['a header twice', matched('{headers: [{name: a}, {name: A, exact: b}]}'), /a route asks for a twice/],
  ['a parameter twice', matched('{query: [{name: q}, {name: q, exact: b}]}'), /a route asks for q twice/],
  [
    'more alternatives than are numbered',
    matched(`{method: [${many(17, 'GET')}], host: [${many(17, 'a')}]}`),
    /limit-exceeded more than 256 alternatives in one route/,
  ],
  ['a relative path', matched('{path: {exact: a}}'), /schema-violation the path `a` does not start with/],
  ['no expression', matched('{path: {regex: (}}'), /expression-invalid/],
])

const redirect = (text: string) => routes(`{match: {path: {exact: /a}}, redirect: ${text}}`)
refusals('refusals of what routes do', [
  ['nothing', routes('{name: a}'), /:5:\d+ schema-violation a route that leads nowhere \| write to:/],
  ['two things', routed('redirect: {}'), /schema-violation `redirect` beside `to` in one route/],
  [
    'a name twice',
    routes(`{name: a, ${TO}}, {name: a, ${TO}}`),
    /schema-violation a second route with the name `a`/,
  ],
  ['a status that is no redirect', redirect('{status: 304}'), /schema-violation .*301\|302\|303\|307/],
  ['a path and a prefix', redirect('{path: /b, prefix: /c}'), /schema-violation `prefix` beside `path`/],
  [
    'a new prefix of an exact path',
    redirect('{prefix: /c}'),
    /a new prefix where the match is not by prefix/,
  ],
  ['a relative new path', redirect('{path: c}'), /schema-violation the path `c` must start with \//],
  ['no host', redirect('{host: A_}'), /schema-violation .*no name of a host/],
  [
    'a rewrite of a redirect',
    routes('{redirect: {}, rewrite: {path: /a}}'),
    /`rewrite` beside `redirect`: no request/,
  ],
  ['retries of a redirect', routes('{redirect: {}, retry: {}}'), /`retry` beside `redirect`/],
  [
    'another Location',
    routes('{redirect: {}, responseHeaders: {set: [{name: LOCATION, value: a}]}}'),
    /unsupported-feature the Location of a redirect/,
  ],
  [
    'a length of a direct response',
    routes('{respond: {status: 200}, responseHeaders: {set: [{name: content-length, value: "1"}]}}'),
    /`content-length` cannot be changed/,
  ],
  ['an interim status', routes('{respond: {status: 101}}'), /schema-violation .*respond.status/],
  [
    'a body of 204',
    routes('{respond: {status: 204, body: a}}'),
    /schema-violation a response of status 204 has no body/,
  ],
  ['a type of two lines', routes('{respond: {status: 200, contentType: "a\\nb"}}'), /printable ASCII/],
  [
    'a body that is a file',
    routes(`{respond: {status: 200, body: ${'é'.repeat(8193)}}}`),
    /limit-exceeded a body of 16386 bytes, more than 16384/,
  ],
  [
    'a redirect and a direct response',
    routes('{redirect: {}, respond: {status: 200}}'),
    /`respond` beside `redirect`/,
  ],
  [
    'faults of a direct response',
    routes('{respond: {status: 200}, fault: {abort: {status: 500, percent: 1}}}'),
    /`fault` beside `respond`/,
  ],
  ['no fault', routed('fault: {}'), /schema-violation `fault` is empty/],
  [
    'a percentage above all',
    routed('fault: {abort: {status: 500, percent: 100.01}}'),
    /schema-violation .*percent/,
  ],
  [
    'a thousandth',
    routed('fault: {abort: {status: 500, percent: 0.001}}'),
    /`0.001` is finer than a hundredth/,
  ],
  ['no delay', routed('fault: {delay: {duration: 0s, percent: 1}}'), /`0s` is no delay/],
  ['a delay without end', routed('fault: {delay: {duration: 61s, percent: 1}}'), /`61s` is longer than 60s/],
  [
    'an abort with an interim status',
    routed('fault: {abort: {status: 199, percent: 1}}'),
    /schema-violation .*status/,
  ],
  [
    'weights that can not be added up',
    routes(
      '{to: [{service: a, port: 80, weight: 999983}, {service: b, port: 80, weight: 999979}], fault: {abort: {status: 500, percent: 0.07}}}',
    ),
    /limit-exceeded these weights and the percentage of fault.abort/,
  ],
  ['an empty rewrite', routed('rewrite: {}'), /schema-violation `rewrite` is empty/],
  ['an empty change', routed('requestHeaders: {}'), /schema-violation headers that nothing is done to/],
  [
    'Host by name',
    routed('requestHeaders: {set: [{name: host, value: a}]}'),
    /`host` cannot be changed \| write rewrite: \{host/,
  ],
  ['a length', routed('responseHeaders: {remove: [Content-Length]}'), /`Content-Length` cannot be changed/],
  [
    'a header that is none',
    routed('requestHeaders: {remove: ["a b"]}'),
    /schema-violation .*no name of a header/,
  ],
  ['a value of two lines', routed('requestHeaders: {set: [{name: a, value: "b\\nc"}]}'), /printable ASCII/],
  ['an origin that is none', routed('cors: {allowOrigins: [a]}'), /schema-violation .*no origin/],
  ['all origins and one', routed('cors: {allowOrigins: ["*", "http://a"]}'), /`\*` cannot stand beside/],
  ['an empty timeout', routed('timeout: {}'), /schema-violation `timeout` is empty/],
  ['no duration', routed('timeout: {request: 5}'), /schema-violation .*timeout.request/],
  [
    'a try longer than all',
    routed('timeout: {request: 1s, try: 2s}'),
    /schema-violation try is longer than request/,
  ],
  ['no budget', routed('retry: {budget: {percent: 101}}'), /schema-violation .*percent/],
  ['a budget that is none', routed('retry: {budget: {least: 1001}}'), /schema-violation .*least/],
  ['a budget in thousandths', routed('retry: {budget: {percent: 0.001}}'), /finer than a hundredth/],
  ['too many retries', routed('retry: {attempts: 11}'), /limit-exceeded 11 retries/],
  ['a code twice', routed('retry: {codes: [503, 503]}'), /`503` stands twice/],
  ['retries after hours', routed('retry: {backoff: 1h}'), /limit-exceeded a backoff of 1h/],
  [
    'too many routes',
    routes(many(1025, `{${TO}}`)),
    /limit-exceeded 1025 routes in one policy, more than 1024/,
  ],
  [
    'a field of rules',
    routed('action: allow'),
    /unknown-field .*`action` is a field, but not of spec.routes\[0\]/,
  ],
])
