/**
 * The corpus has rows of more tests than manifests. These routes are ours: each says what the rows of the
 * test of its name ask for, so that those rows are replayed too. They are counted apart.
 */
import type { Manifest } from './gateway-corpus.ts'

const MESH = 'gateway-conformance-mesh'
const CONSUMER = 'gateway-conformance-mesh-consumer'
const INFRA = 'gateway-conformance-infra'
const ECHO = { group: '', kind: 'Service', name: 'echo', port: 80 }
const GATEWAY = { name: 'same-namespace' }

type Rule = Record<string, unknown>

const route = (namespace: string, parent: object, rules: Rule[]): Manifest[] => [
  {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'HTTPRoute',
    metadata: { name: 'ours', namespace },
    spec: { parentRefs: [parent], rules },
  },
]
const mesh = (...rules: Rule[]) => route(MESH, ECHO, rules)
const gateway = (...rules: Rule[]) => route(INFRA, GATEWAY, rules)
const prefix = (value: string, more: object = {}) => ({ path: { type: 'PathPrefix', value }, ...more })
const exact = (value: string) => ({ path: { type: 'Exact', value } })
const redirect = (path: string, requestRedirect: object): Rule => ({
  matches: [prefix(path)],
  filters: [{ type: 'RequestRedirect', requestRedirect }],
})
const replaced = (value: string) => ({ path: { type: 'ReplacePrefixMatch', replacePrefixMatch: value } })
const whole = (value: string) => ({ path: { type: 'ReplaceFullPath', replaceFullPath: value } })
const to = (number: number, ...matches: object[]): Rule => ({
  matches,
  backendRefs: [{ name: `infra-backend-v${number}`, port: 8080 }],
})
const version = (value: string) => ({ headers: [{ name: 'version', value }] })

const SCHEMES = [
  redirect('/scheme', { scheme: 'https' }),
  redirect('/scheme-and-host', { scheme: 'https', hostname: 'example.org' }),
  redirect('/scheme-and-status', { scheme: 'https', statusCode: 301 }),
  redirect('/scheme-and-host-and-status', { scheme: 'https', hostname: 'example.org', statusCode: 302 }),
]
const shared = (weights: [string, number][]): Rule => ({
  backendRefs: weights.map(([name, weight]) => ({ name, weight, port: 80 })),
})
const modified: Rule = {
  filters: [
    {
      type: 'ResponseHeaderModifier',
      responseHeaderModifier: { set: [{ name: 'X-Header-Set', value: 'set' }] },
    },
  ],
  backendRefs: [{ name: 'echo-v1', namespace: MESH, port: 80 }],
}

/** By the test's name. */
export const OWN: Record<string, Manifest[]> = {
  MeshHTTPRoute307Redirect: mesh(redirect('/temporary', { statusCode: 307 })),
  MeshHTTPRouteRedirectPath: mesh(
    redirect('/original-prefix', replaced('/replacement-prefix')),
    redirect('/full', whole('/full-path-replacement')),
    redirect('/path-and-host', { ...replaced('/replacement-prefix'), hostname: 'example.org' }),
    redirect('/path-and-status', { ...replaced('/replacement-prefix'), statusCode: 301 }),
    redirect('/full-path-and-host', { ...whole('/replacement-full'), hostname: 'example.org' }),
    redirect('/full-path-and-status', { ...whole('/replacement-full'), statusCode: 301 }),
  ),
  MeshHTTPRouteSchemeRedirect: mesh(...SCHEMES),
  MeshHTTPRouteWeight: mesh(
    shared([
      ['echo-v1', 70],
      ['echo-v2', 30],
    ]),
  ),
  MeshConsumerRoute: route(CONSUMER, { ...ECHO, name: 'echo-v1', namespace: MESH }, [modified]),
  HTTPRouteMethodMatching: gateway(
    to(1, { method: 'POST' }, prefix('/path1', { method: 'GET' })),
    to(2, { method: 'GET' }, prefix('/', { method: 'PUT', ...version('one') })),
    to(3, prefix('/path2', { method: 'POST', ...version('two') })),
    to(1, prefix('/path3', { method: 'PATCH' }), prefix('/path4', { method: 'DELETE', ...version('three') })),
    to(1, prefix('/path5')),
    to(2, prefix('/', { method: 'PATCH', ...version('four') })),
  ),
  HTTPRoutePathMatchOrder: gateway(
    to(3, exact('/match/exact/one')),
    to(2, exact('/match/exact')),
    to(1, exact('/match')),
    to(3, prefix('/match')),
    to(1, prefix('/match/prefix')),
    to(2, prefix('/match/prefix/one')),
  ),
  HTTPRouteNoBackendRefs: gateway(
    to(1, prefix('/forward')),
    { matches: [prefix('/omitted-no-forward')] },
    { matches: [prefix('/empty-no-forward')], backendRefs: [] },
  ),
  HTTPRouteInvalidBackendRefUnknownKind: gateway({
    matches: [prefix('/v2')],
    backendRefs: [{ group: 'unknown.example', kind: 'Nothing', name: 'infra-backend-v1', port: 8080 }],
  }),
  HTTPRouteRedirectHostAndStatus: gateway(
    redirect('/hostname-redirect', { hostname: 'example.org' }),
    redirect('/host-and-status', { hostname: 'example.org', statusCode: 301 }),
  ),
  HTTPRouteRedirectScheme: gateway(...SCHEMES),
  HTTPRouteTimeoutRequest: gateway(
    { ...to(1, prefix('/request-timeout')), timeouts: { request: '500ms' } },
    { ...to(1, prefix('/disable-request-timeout')), timeouts: { request: '0s' } },
  ),
}
