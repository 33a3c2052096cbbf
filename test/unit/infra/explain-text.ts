/** Routes that `heddle explain --service` is asked about. */
const route = (name: string, namespace: string, rules: string) => `apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: ${name}, namespace: ${namespace}}
spec:
  parentRefs: [{group: "", kind: Service, name: front, namespace: shop, port: 80}]
  rules:
${rules}`
const SHOP = route(
  'front',
  'shop',
  `  - matches: [{path: {type: PathPrefix, value: /v2}}]
    filters:
    - {type: URLRewrite, urlRewrite: {hostname: two, path: {type: ReplacePrefixMatch, replacePrefixMatch: /}}}
    - {type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: X-A, value: "1"}], remove: [X-B]}}
    timeouts: {request: 2s, backendRequest: 1s}
    backendRefs:
    - {name: front, port: 80, weight: 9}
    - {name: front-v0, port: 80, weight: 0}
    - name: front-v2
      port: 80
      weight: 1
      filters: [{type: ResponseHeaderModifier, responseHeaderModifier: {add: [{name: X-V, value: two}]}}]
  - matches: [{path: {type: Exact, value: /old}}]
    filters: [{type: RequestRedirect, requestRedirect: {statusCode: 301, hostname: new.example}}]
  - matches: [{path: {type: Exact, value: /drained}}]
    backendRefs: [{name: front, port: 80, weight: 0}]
  - matches: [{path: {type: Exact, value: /again}}]
    retry: {attempts: 2, codes: [503]}
    backendRefs: [{name: front, port: 80}]
`,
)
const OWN = `apiVersion: heddle.dev/v1
kind: MeshPolicy
metadata: {name: own, namespace: shop}
spec:
  service: {name: own}
  routes:
  - {match: {path: {prefix: /closed}}, respond: {status: 503, body: closed}}
  - match: {path: {prefix: /fails}}
    to: [{service: own, port: 80}]
    fault: {abort: {status: 500, percent: 25}, delay: {duration: 1s, percent: 0.5}}
`
const FOR_OFFICE = route('own', 'office', '  - backendRefs: [{name: elsewhere, port: 81}]\n')

export const FILES = [
  { path: 'front.yaml', text: SHOP },
  { path: 'office.yaml', text: FOR_OFFICE },
  { path: 'own.yaml', text: OWN },
]
