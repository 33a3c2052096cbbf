/** Small policies as their files say them. */

/** One file: whoever asks may ask anything of `app: <name>`. */
export const openPolicy = (name: string) => ({
  [`policies/${name}.yaml`]: JSON.stringify({
    apiVersion: 'cilium.io/v2',
    kind: 'CiliumNetworkPolicy',
    metadata: { name, namespace: 'shop' },
    spec: { endpointSelector: { matchLabels: { app: name } }, ingress: [{}] },
  }),
})

/** `app: web` may ask `app: a` at port 80 for what the expression matches. */
export const pathPolicy = (path: string): string => `apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: api, namespace: shop}
spec:
  endpointSelector: {matchLabels: {app: a}}
  ingress:
    - fromEndpoints: [{matchLabels: {app: web}}]
      toPorts:
        - ports: [{port: "80", protocol: TCP}]
          rules: {http: [{path: ${path}}]}
`
