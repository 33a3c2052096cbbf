/**
 * Fields of the Cilium API that Heddle does not honour, each with what to write instead. A field that is neither here nor in schema.ts is unknown. (Names:
 * cilium/cilium pkg/policy/api and pkg/k8s/apis/cilium.io/v2.)
 */
export const UNSUPPORTED = {
  egress: 'Heddle enforces at the receiving side: write an ingress rule for the destination',
  egressDeny: 'Heddle enforces at the receiving side: write an ingressDeny rule for the destination',
  nodeSelector: 'host policies are not enforced: select workloads with endpointSelector',
  labels: 'labels of a rule have no effect here: put them under metadata.labels',
  log: 'remove it: every verdict is counted and reported without it',
  authentication: 'mutual authentication is not enforced: remove it and select peers by fromEndpoints',
  fromRequires: 'put the requirement into every fromEndpoints selector',
  fromEntities:
    'write fromEndpoints: [{matchExpressions: [{key: "k8s:io.kubernetes.pod.namespace", operator: Exists}]}] for the cluster, fromCIDR: [0.0.0.0/0, "::/0"] for the world',
  fromGroups: 'list the addresses with fromCIDR',
  fromNodes: 'list the addresses of the nodes with fromCIDR',
  fromServices: 'select the workloads behind the service with fromEndpoints',
  icmps: 'ICMP is not filtered: remove the rule',
  cidrGroupRef: 'list the prefixes with cidr',
  cidrGroupSelector: 'list the prefixes with cidr',
  terminatingTLS: 'TLS is not terminated: let the workload receive plain HTTP/1.1, or drop the HTTP rules',
  originatingTLS: 'TLS is not originated: remove it',
  serverNames: 'TLS names are not read: select peers by fromEndpoints or fromCIDR',
  listener: 'traffic is not redirected to Envoy listeners: remove it',
  kafka: 'only HTTP rules are enforced: allow the port without rules',
  dns: 'only HTTP rules are enforced, and DNS rules are for egress: remove them',
  l7proto: 'only HTTP rules are enforced: allow the port without rules',
  l7: 'only HTTP rules are enforced: allow the port without rules',
  secret: 'write the value with value, or only require the header',
  status: 'remove it: it is what Cilium reports, not what you ask for',
} as const

export type UnsupportedField = keyof typeof UNSUPPORTED

/** Kinds that people put beside policies, and what to do with them. */
export const UNSUPPORTED_KINDS: Record<string, string> = {
  CiliumClusterwideNetworkPolicy: 'write a CiliumNetworkPolicy for each namespace',
  CiliumCIDRGroup: 'list the prefixes in the policy with fromCIDRSet',
  CiliumClusterwideEnvoyConfig: 'keep Envoy configuration out of the policy repository',
  CiliumEnvoyConfig: 'keep Envoy configuration out of the policy repository',
  CiliumLocalRedirectPolicy: 'keep it out of the policy repository: redirection is no policy here',
  CiliumBGPPeeringPolicy: 'keep it out of the policy repository: routing is no policy here',
  NetworkPolicy: 'write it as a CiliumNetworkPolicy (apiVersion cilium.io/v2)',
  List: 'write the items as documents of their own, with --- between them',
}

/** What an unknown field inside these most often wanted to be. */
export const USUAL: Record<string, string> = {
  endpointSelector: 'write labels under matchLabels, one level deeper',
  fromEndpoints: 'write labels under matchLabels, one level deeper',
}
