/**
 * What the Gateway API knows and Heddle does not honour, each with what to write instead. A field
 * that is neither here nor in schema.ts is unknown. (Names: kubernetes-sigs/gateway-api apis/v1.)
 */
export const UNSUPPORTED = {
  hostnames:
    'a service is told by its address: match the name with headers: [{name: Host, value: …}] (GEP-1294, `hostnames` field)',
  useDefaultGateways: 'remove it: routes attach to Services, named in parentRefs',
  sessionPersistence: 'remove it: every request is routed by itself',
  requestMirror: 'remove it: requests are not copied',
  externalAuth: 'remove it: say who may ask with a CiliumNetworkPolicy',
  extensionRef: 'remove it: there are no filters beyond those of the Gateway API',
  status: 'remove it: it is what a controller reports, not what you ask for',
} as const

export type UnsupportedField = keyof typeof UNSUPPORTED

/** Types of filters that are refused, by the field that they need. */
export const UNSUPPORTED_FILTERS = {
  RequestMirror: 'requestMirror',
  ExternalAuth: 'externalAuth',
  ExtensionRef: 'extensionRef',
} as const satisfies Record<string, UnsupportedField>

/** Kinds of the group gateway.networking.k8s.io that are no policy here, and what to do with them. */
export const UNSUPPORTED_KINDS: Record<string, string> = {
  GRPCRoute: 'write an HTTPRoute for what speaks HTTP/1.1; HTTP/2 is not routed by request',
  TCPRoute: 'only HTTP is routed: remove it',
  TLSRoute: 'only HTTP is routed: remove it',
  UDPRoute: 'only HTTP is routed: remove it',
  Gateway: 'keep it out of the policy repository: routes attach to Services',
  GatewayClass: 'keep it out of the policy repository: routes attach to Services',
  ListenerSet: 'keep it out of the policy repository: routes attach to Services',
  BackendTLSPolicy: 'keep it out of the policy repository: TLS is not originated',
}
