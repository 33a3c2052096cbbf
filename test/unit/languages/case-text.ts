/** Cases as text, beside policies and routes that they ask. */
import assert from 'node:assert/strict'
import { readPolicies, type TextFile } from '../../../functions/validate/load-policies.ts'
import { judged } from '../../../pipelines/languages/judged.ts'
import type { PolicyCase } from '../../../pipelines/policy/policy-case.ts'

/** The cases stand from line 5 on, each in a line of its own. */
export const document = (
  cases: string[],
  metadata = '{name: t, namespace: shop}',
  path = 't.yaml',
): TextFile => ({
  path,
  text: `apiVersion: heddle.dev/v1\nkind: PolicyTest\nmetadata: ${metadata}\ncases:\n${cases
    .map((each) => `- ${each}\n`)
    .join('')}`,
})

export const GET = 'request: {line: GET /}'
export const TO = 'to: {labels: {app: api}}'
/** A case `n` that asks a workload or a service; `asks`: for what, by whom. */
export const askWorkload = (expect: string, asks = GET) => `{name: n, ${TO}, ${asks}, expect: {${expect}}}`
export const askService = (expect: string, asks = GET) =>
  `{name: n, service: {name: a}, ${asks}, expect: {${expect}}}`

export const POLICY: TextFile = {
  path: 'api.yaml',
  text: `apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: api, namespace: shop}
spec:
  endpointSelector: {matchLabels: {app: api}}
  ingress:
  - fromEndpoints: [{matchLabels: {app: web}}, {matchLabels: {app: ops, "k8s:io.kubernetes.pod.namespace": office}}]
    toPorts:
    - ports: [{port: "80", protocol: TCP}]
      rules:
        http:
        - {method: GET, path: /public}
        - {path: /keyed, headers: ["X-Key: a,b"]}
        - {path: /hosted, host: shop.example}
        - {path: /by-default, host: test}
  - fromCIDR: [203.0.113.0/24, "2001:db8::/32"]
    toPorts: [{ports: [{port: "9090", protocol: TCP}]}]
  ingressDeny:
  - fromCIDR: [203.0.113.9/32]
`,
}

export const ROUTE: TextFile = {
  path: 'route.yaml',
  text: `apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: front, namespace: shop}
spec:
  parentRefs: [{group: "", kind: Service, name: front, port: 80}]
  rules:
  - matches: [{path: {type: PathPrefix, value: /v2}}]
    filters:
    - {type: URLRewrite, urlRewrite: {hostname: two, path: {type: ReplacePrefixMatch, replacePrefixMatch: /}}}
    - type: RequestHeaderModifier
      requestHeaderModifier: {set: [{name: X-A, value: "1"}], add: [{name: X-C, value: d}], remove: [X-B]}
    backendRefs: [{name: front-v2, port: 8080}]
  - matches: [{path: {type: Exact, value: /some}}]
    backendRefs: [{name: front, port: 80, weight: 9}, {name: front-v2, port: 8080}, {name: old, port: 80, weight: 0}]
  - matches: [{path: {type: Exact, value: /old}}]
    filters: [{type: RequestRedirect, requestRedirect: {statusCode: 301, hostname: new.example}}]
  - matches: [{path: {type: Exact, value: /drained}}]
    backendRefs: [{name: front, port: 80, weight: 0}]
  - matches: [{path: {type: Exact, value: /cors}}]
    filters: [{type: CORS, cors: {allowOrigins: ["https://a.example"], allowMethods: [GET]}}]
    backendRefs: [{name: front, port: 80}]
  - matches: [{path: {type: Exact, value: /plain}}]
    backendRefs: [{name: front, port: 80}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: own, namespace: office}
spec:
  parentRefs: [{group: "", kind: Service, name: front, namespace: shop, port: 80}]
  rules: [{backendRefs: [{name: elsewhere, port: 81}]}]
`,
}

export function casesOf(...files: TextFile[]): PolicyCase[] {
  const loaded = readPolicies(files)
  if (!('set' in loaded)) assert.fail(loaded.findings.map(({ message }) => message).join('\n'))
  return loaded.cases
}

/** What is said of cases that fail, `file:line:column code message`. */
export function failures(...files: TextFile[]): string[] {
  const loaded = judged(readPolicies(files))
  if ('set' in loaded) return []
  return loaded.findings.map(
    ({ file, line, column, code, message }) => `${file}:${line}:${column} ${code} ${message}`,
  )
}
