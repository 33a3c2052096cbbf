/** The policies that the demo pushes: two that are good, three that are broken each in its own way, and a route. */
import { FRONT, FRONT_V2, NAMESPACE } from './fleet.ts'
import { SERVICE_PORT } from './service.ts'

export const POLICY_FILE = `policies/${NAMESPACE}/api.yaml`
export const ROUTE_FILE = `policies/${NAMESPACE}/front.yaml`
export const BROKEN_FILE = `policies/${NAMESPACE}/orders.yaml`

export const TENANTS_FILE = 'tenants.yaml'
export const TENANTS = `tenants:
  - path: policies/${NAMESPACE}
    namespaces: [${NAMESPACE}]
`

/** app=web may read and upload below /public; everything else is refused. `extra` are more matches. */
export const goodPolicy = (extra = ''): string => reading('/public/.*', extra)

/** Well-formed, and not what its author meant: orders are not read any more. */
export const harmfulPolicy = (why: string): string => `# ${why}\n${reading('/public/items.*', '')}`

const reading = (paths: string, extra: string): string => `apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata:
  name: api
  namespace: ${NAMESPACE}
  annotations:
    heddle.dev/refuses: GET /private/.*
spec:
  endpointSelector:
    matchLabels:
      app: api
  ingress:
    - fromEndpoints:
        - matchLabels:
            app: web
      toPorts:
        - ports:
            - port: "${SERVICE_PORT}"
              protocol: TCP
          rules:
            http:
              - method: GET
                path: ${paths}
              - method: POST
                path: /public/upload
${extra}`

export const SECOND_POLICY = goodPolicy(`              - method: GET
                path: /reports/[0-9]+
`)

/** What it asks for goes to version 2. */
export const V2_PREFIX = '/public/v2'

/** Requests to the front service: below a prefix to another service, all else to its own endpoints. */
export const routeTo = (name: string): string => `apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata:
  name: front
  namespace: ${NAMESPACE}
spec:
  parentRefs:
    - group: ""
      kind: Service
      name: ${FRONT.name}
      port: ${FRONT.port}
  rules:
    - matches:
        - path:
            type: PathPrefix
            value: ${V2_PREFIX}
      backendRefs:
        - name: ${name}
          port: ${FRONT_V2.port}
    - backendRefs:
        - name: ${FRONT.name}
          port: ${FRONT.port}
`

export const ROUTE = routeTo(FRONT_V2.name)

const broken = (rules: string): string => `apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata:
  name: orders
  namespace: ${NAMESPACE}
spec:
  endpointSelector:
    matchLabels:
      app: orders
  ingress:
    - toPorts:
        - ports:
            - port: "${SERVICE_PORT}"
              protocol: TCP
          rules:
            http:
${rules}`

export type Broken = { what: string; text: string; code: string; line: number }

/** What is wrong, and the line that the push must name. */
export const BROKEN: readonly Broken[] = [
  {
    what: 'a YAML mistake',
    text: broken('              - method: GET\n               path: /orders\n'),
    code: 'yaml-syntax',
    line: 18,
  },
  {
    what: 'an unknown field',
    text: broken('              - methd: GET\n                path: /orders\n'),
    code: 'unknown-field',
    line: 17,
  },
  {
    what: "an expression that can't compile",
    text: broken('              - method: GET\n                path: /orders/(open|done\n'),
    code: 'expression-invalid',
    line: 18,
  },
]
