import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PolicySet } from '../../../pipelines/policy/model.ts'
import { refusals, refused } from './cilium-text.ts'
import { accepted, apart, BACKEND, filter, match, object, rule, rules, service } from './gateway-text.ts'

const SPEC = '{parentRefs: [{group: "", kind: Service, name: echo}]'
refusals('refusals of what routes cannot do here', [
  [
    'a Gateway as parent',
    rules(`{${BACKEND}}`, '{name: g}'),
    /^r.yaml:4:21 unsupported-feature .*attach to gateway.networking.k8s.io Gateway \| write group: ""/,
  ],
  [
    'hostnames',
    object('HTTPRoute', '{name: r}', `${SPEC}, hostnames: [a.b]}`),
    /unsupported-feature `hostnames` .*name: Host/,
  ],
  [
    'default gateways',
    object('HTTPRoute', '{name: r}', `${SPEC}, useDefaultGateways: All}`),
    /`useDefaultGateways`/,
  ],
  ['session persistence', rule('sessionPersistence: {}'), /unsupported-feature `sessionPersistence`/],
  [
    'mirroring',
    filter('{type: RequestMirror, requestMirror: {backendRef: {name: a, port: 80}}}'),
    /unsupported-feature `requestMirror`/,
  ],
  [
    'an extension',
    filter('{type: ExtensionRef, extensionRef: {group: g, kind: K, name: n}}'),
    /unsupported-feature `extensionRef`/,
  ],
  ['external authorization', filter('{type: ExternalAuth}'), /unsupported-feature the filter ExternalAuth/],
  ['a filter that nobody knows', filter('{type: Rot13}'), /schema-violation .*type/],
  ['status', object('HTTPRoute', '{name: r}', '{}\nstatus: {}'), /unsupported-feature `status`/],
  ['an unknown field', rule('timeout: {}'), /unknown-field .*did you mean `timeouts`\?/],
  [
    'another kind of route',
    object('GRPCRoute', '{name: r}', '{}'),
    /:2:1 unsupported-kind gateway.networking.k8s.io\/v1 GRPCRoute .*HTTP\/1.1/,
  ],
  ['a Gateway', object('Gateway', '{name: r}', '{}'), /unsupported-kind .*keep it out/],
  [
    'a version that is none',
    object('HTTPRoute', '{name: r}', '{}', 'gateway.networking.k8s.io/v9'),
    /schema-violation `apiVersion`/,
  ],
  ['CONNECT', match('{method: CONNECT}'), /unsupported-feature .*refused with 400/],
  [
    'changes of Host by name',
    filter('{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: hOST, value: a}]}}'),
    /unsupported-feature .*`hOST` cannot be changed \| write URLRewrite/,
  ],
  [
    'an added length',
    filter(
      '{type: ResponseHeaderModifier, responseHeaderModifier: {add: [{name: Content-Length, value: "1"}]}}',
    ),
    /`Content-Length` cannot be changed \| remove it/,
  ],
  [
    'an annotation of ours',
    object('HTTPRoute', '{name: r, annotations: {heddle.dev/unparsed: pass}}', `${SPEC}}`),
    /^r.yaml:3:35 unknown-field unknown annotation/,
  ],
  [
    'another Location of a redirect',
    rules(
      '{backendRefs: [{name: a, port: 80, filters: [{type: RequestRedirect, requestRedirect: {}}]}], filters: [{type: ResponseHeaderModifier, responseHeaderModifier: {remove: [LOCATION]}}]}',
    ),
    /unsupported-feature the Location of a redirect/,
  ],
  [
    'a removed Connection',
    filter('{type: RequestHeaderModifier, requestHeaderModifier: {remove: [Connection]}}'),
    /`Connection` cannot/,
  ],
])

const set = (list: string) => filter(`{type: RequestHeaderModifier, requestHeaderModifier: {set: [${list}]}}`)
const path = (type: string, value: string) => match(`{path: {type: ${type}, value: "${value}"}}`)
const rewritten = (text: string, more = '') =>
  rule(`filters: [{type: URLRewrite, urlRewrite: {path: ${text}}}]${more}`)
refusals('refusals of what the definition forbids', [
  ['a relative path', path('Exact', 'a'), /schema-violation the path `a` must start with \//],
  ['//', path('PathPrefix', '/a//b'), /must not contain \/\//],
  ['a dot', path('PathPrefix', '/a/./b'), /no segment \./],
  ['a dot at the end', path('PathPrefix', '/a/.'), /no segment \./],
  ['two dots', path('Exact', '/a/../b'), /no segment \.\./],
  ['two dots at the end', path('Exact', '/a/..'), /no segment \.\./],
  ['a hidden slash', path('Exact', '/a%2fb'), /%2F/],
  ['a query', path('Exact', '/a?b'), /characters that no path can have/],
  ['a fragment', path('Exact', '/a#b'), /characters that no path can have/],
  ['half an escape', path('Exact', '/a%2'), /characters that no path can have/],
  ['no expression', path('RegularExpression', '('), /expression-invalid/],
  [
    'no expression of a header',
    match('{headers: [{name: a, type: RegularExpression, value: "["}]}'),
    /expression-invalid/,
  ],
  ['no method', match('{method: NOTREAL}'), /schema-violation .*method/],
  [
    'a header twice',
    match('{headers: [{name: a, value: b}, {name: a, value: c}]}'),
    /`a` is asked for twice/,
  ],
  [
    'a parameter twice',
    match('{queryParams: [{name: a, value: b}, {name: a, value: b}]}'),
    /`a` is asked for twice/,
  ],
  [
    'a parameter that cannot be sent',
    match('{queryParams: [{name: a, value: "b c"}]}'),
    /compared as it is sent \| write it percent-encoded/,
  ],
  [
    'a parameter with an ampersand',
    match('{queryParams: [{name: a, value: "b&c"}]}'),
    /compared as it is sent \| write it percent-encoded/,
  ],
  [
    'a header value with two blanks',
    match('{headers: [{name: a, value: "b  c"}]}'),
    /schema-violation .*single blanks/,
  ],
  ['a header name with a blank', match('{headers: [{name: "a b", value: c}]}'), /no name of a header/],
  ['a field set twice', set('{name: a, value: b}, {name: a, value: c}'), /stands twice in one list/],
  [
    'a filter without its part',
    filter('{type: RequestHeaderModifier}'),
    /RequestHeaderModifier without `requestHeaderModifier`/,
  ],
  [
    'a filter with another part',
    filter('{type: URLRewrite, urlRewrite: {}, requestRedirect: {}}'),
    /`requestRedirect` in a filter of type URLRewrite/,
  ],
  [
    'a filter twice',
    filter('{type: URLRewrite, urlRewrite: {}}, {type: URLRewrite, urlRewrite: {}}'),
    /a second URLRewrite/,
  ],
  [
    'rewrite and redirect',
    rules('{filters: [{type: URLRewrite, urlRewrite: {}}, {type: RequestRedirect, requestRedirect: {}}]}'),
    /RequestRedirect cannot stand beside URLRewrite/,
  ],
  [
    'redirect and backends',
    filter('{type: RequestRedirect, requestRedirect: {}}'),
    /RequestRedirect cannot stand beside backendRefs/,
  ],
  [
    'a prefix replaced for two matches',
    rewritten(
      '{type: ReplacePrefixMatch, replacePrefixMatch: /x}',
      ', matches: [{path: {value: /a}}, {path: {value: /b}}]',
    ),
    /exactly one match/,
  ],
  [
    'a prefix replaced for an exact path',
    rewritten(
      '{type: ReplacePrefixMatch, replacePrefixMatch: /x}',
      ', matches: [{path: {type: Exact, value: /a}}]',
    ),
    /exactly one match/,
  ],
  [
    'a path type with the other value',
    rewritten('{type: ReplaceFullPath, replacePrefixMatch: /x}'),
    /replacePrefixMatch/,
  ],
  [
    'a new path with a query',
    rewritten('{type: ReplaceFullPath, replaceFullPath: "/x?y"}'),
    /no path can have \| .*query of a request is kept/,
  ],
  [
    'a new path that is relative',
    rewritten('{type: ReplaceFullPath, replaceFullPath: "//evil"}'),
    /must not contain/,
  ],
  [
    'a redirect status that is none',
    rules('{filters: [{type: RequestRedirect, requestRedirect: {statusCode: 305}}]}'),
    /schema-violation .*statusCode/,
  ],
  [
    'a weight below 0',
    rules('{backendRefs: [{name: a, port: 80, weight: -1}]}'),
    /schema-violation .*weight/,
  ],
  ['a port that is none', rules('{backendRefs: [{name: a, port: 800080}]}'), /schema-violation .*port/],
  ['a Service without port', rules('{backendRefs: [{name: a}]}'), /the port of Service `a` is missing/],
  ['a group that is none', rules('{backendRefs: [{group: "*", name: a, port: 80}]}'), /no name of a group/],
  ['a duration that is none', rule('timeouts: {request: 10 s}'), /no duration/],
  [
    'a backend timeout beyond the request',
    rule('timeouts: {request: 1s, backendRequest: 1001ms}'),
    /backendRequest is longer/,
  ],
  ['two rules of one name', rules('{name: a}, {name: a}'), /a second rule with the name `a`/],
  ['17 rules', rules(Array<string>(17).fill('{}').join()), /schema-violation .*rules/],
  ['65 matches', match(Array<string>(65).fill('{}').join()), /schema-violation .*matches/],
  [
    '129 matches in all',
    rules(
      Array<string>(3)
        .fill(`{matches: [${Array<string>(43).fill('{}').join()}]}`)
        .join(),
    ),
    /limit-exceeded 129 matches/,
  ],
  [
    'a parent twice',
    rules(
      '{}',
      '{group: "", kind: Service, name: a}, {group: "", kind: Service, name: a, namespace: default}',
    ),
    /a second reference to Service `a`/,
  ],
  [
    'a port of a parent twice',
    rules(
      '{}',
      '{group: "", kind: Service, name: a, port: 80}, {group: "", kind: Service, name: a, port: 80}',
    ),
    /a second reference to Service `a`/,
  ],
  [
    'a parent with and without port',
    rules('{}', '{group: "", kind: Service, name: a, port: 80}, {group: "", kind: Service, name: a}'),
    /a second reference/,
  ],
  [
    'a grant to nothing',
    object('ReferenceGrant', '{name: g}', '{from: [{group: a, kind: B, namespace: c}]}'),
    /schema-violation .*to/,
  ],
  [
    'a grant from nowhere',
    object('ReferenceGrant', '{name: g}', '{from: [{group: a, kind: B}], to: [{group: "", kind: Service}]}'),
    /schema-violation .*namespace/,
  ],
  [
    'an age that is none',
    object('HTTPRoute', '{name: r, creationTimestamp: yesterday}', '{}'),
    /schema-violation .*creationTimestamp/,
  ],
])

const ports = '{ports: [{name: http, port: 80}, {port: 81}]}'
const parent = (text: string) => rules(`{${BACKEND}}`, `{group: "", kind: Service, name: echo, ${text}}`)
const PARENTS: [string, string, string, RegExp][] = [
  [
    'a port that the Service has not',
    ports,
    'port: 82',
    /Service default\/echo has no port 82 \| its ports are 80 \(http\), 81/,
  ],
  ['a name that no port has', ports, 'sectionName: grpc', /has no port grpc/],
  ['a name that another port has', ports, 'port: 81, sectionName: http', /has no port 81 http/],
  ['a headless Service', '{clusterIP: None}', 'port: 80', /unsupported-feature .*is headless/],
  ['an external Service', '{type: ExternalName}', 'port: 80', /of type ExternalName/],
]
for (const [says, spec, ref, expected] of PARENTS) {
  test(`a parent that cannot be: ${says}`, () => {
    const found = refused(...apart(parent(ref), service('echo', spec)))
    assert.ok(
      found.some((line) => expected.test(line)),
      found.join('\n'),
    )
  })
}
test('a port by name needs the Service', () => {
  assert.match(refused(parent('sectionName: http')).join(), /is not known here \| write port:/)
})
test('a name that no Service can have', () => {
  const long = rules('{}', `{group: "", kind: Service, name: ${'a'.repeat(64)}}`)
  assert.match(refused(long).join(), /there is no Service/)
  const backend = rules(`{backendRefs: [{name: ${'a'.repeat(64)}, port: 80}]}`)
  const { routes, warnings } = accepted(backend)
  assert.match(warnings.join(), /BackendNotFound/)
  assert.ok(PolicySet.safeParse({ policies: [], routes }).success)
})
test('a header value does not keep its reader busy', () => {
  const value = `${'!'.repeat(4000)}\u0001`
  assert.match(
    refused(match(`{headers: [{name: a, value: "${value.replace('\u0001', '\\u0001')}"}]}`)).join(),
    /printable/,
  )
})
