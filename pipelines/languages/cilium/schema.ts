/**
 * The dialect of `cilium.io/v2 CiliumNetworkPolicy` that Heddle honours, as one
 * strict schema. schema.gen.json is made from it (json-schema.ts). Fields that
 * Cilium knows and Heddle does not honour stand in it as `refused`, so that an
 * editor marks them too.
 */
import { z } from 'zod'
import { LabelSelector, Metadata } from '../objects.ts'
import { UNSUPPORTED, type UnsupportedField } from './features.ts'

/** Cilium's own limit (pkg/policy/api/rule_validation.go, maxPorts). */
const MAX_PORTS = 40
/** Values of one header in the list dialect; each makes an alternative of its own. */
const MAX_HEADER_VALUES = 16

const refused = (field: UnsupportedField) =>
  z.never().optional().describe(`Not honoured by Heddle: ${UNSUPPORTED[field]}.`)

const PortProtocol = z.strictObject({
  port: z.string().describe('A number from 0 (every port) to 65535, quoted'),
  endPort: z.int().min(1).max(65535).optional(),
  protocol: z.enum(['TCP', 'UDP', 'SCTP', 'ANY']).optional(),
})
export type PortProtocol = z.infer<typeof PortProtocol>

const HeaderMatch = z.strictObject({
  name: z.string().min(1),
  value: z.string().optional(),
  mismatch: z.enum(['LOG', 'ADD', 'DELETE', 'REPLACE']).optional(),
  secret: refused('secret'),
})

const HeaderList = z.strictObject({
  name: z.string().min(1),
  values: z.array(z.string()).min(1).max(MAX_HEADER_VALUES).optional(),
})

const PortRuleHttp = z.strictObject({
  method: z.string().optional().describe('RE2, full match'),
  path: z.string().optional().describe('RE2, full match, query included'),
  host: z.string().optional().describe('RE2, full match of the Host value'),
  headers: z
    .array(z.union([z.string(), HeaderList]))
    .optional()
    .describe('"Name", "Name: value" or {name, values}'),
  headerMatches: z.array(HeaderMatch).optional(),
  mirror: z.boolean().optional().describe('Copy what is let in; false: do not, whatever else is written'),
  mirrorEndpoint: z
    .string()
    .optional()
    .describe(
      'Service of this namespace that copies go to: name, or name:port; without it the port of the rule',
    ),
  mirrorRatio: z
    .number()
    .min(0)
    .max(1)
    .optional()
    .describe('Share of the requests, to a millionth; 1 where it is not written'),
})
export type PortRuleHttp = z.infer<typeof PortRuleHttp>

const L7Rules = z.strictObject({
  http: z.array(PortRuleHttp).optional(),
  kafka: refused('kafka'),
  dns: refused('dns'),
  l7proto: refused('l7proto'),
  l7: refused('l7'),
})

const PortRule = z.strictObject({
  ports: z.array(PortProtocol).min(1).max(MAX_PORTS),
  rules: z.union([L7Rules, z.array(L7Rules).min(1)]).optional(),
  terminatingTLS: refused('terminatingTLS'),
  originatingTLS: refused('originatingTLS'),
  serverNames: refused('serverNames'),
  listener: refused('listener'),
})
export type PortRule = z.infer<typeof PortRule>

const PortDenyRule = z.strictObject({ ports: z.array(PortProtocol).min(1).max(MAX_PORTS) })

const from = {
  fromEndpoints: z.array(LabelSelector).optional(),
  fromCIDR: z.array(z.string()).optional(),
  fromCIDRSet: z
    .array(
      z.strictObject({
        cidr: z.string(),
        except: z.array(z.string()).optional(),
        cidrGroupRef: refused('cidrGroupRef'),
        cidrGroupSelector: refused('cidrGroupSelector'),
      }),
    )
    .optional(),
  fromRequires: refused('fromRequires'),
  fromEntities: refused('fromEntities'),
  fromGroups: refused('fromGroups'),
  fromNodes: refused('fromNodes'),
  fromServices: refused('fromServices'),
  icmps: refused('icmps'),
}

const IngressRule = z.strictObject({
  ...from,
  toPorts: z.array(PortRule).optional(),
  authentication: refused('authentication'),
})
export type IngressRule = z.infer<typeof IngressRule>

const IngressDenyRule = z.strictObject({ ...from, toPorts: z.array(PortDenyRule).optional() })
export type IngressDenyRule = z.infer<typeof IngressDenyRule>

const Rule = z.strictObject({
  endpointSelector: LabelSelector,
  description: z.string().optional(),
  enableDefaultDeny: z
    .strictObject({ ingress: z.boolean().optional(), egress: z.boolean().optional() })
    .optional(),
  ingress: z.array(IngressRule).optional(),
  ingressDeny: z.array(IngressDenyRule).optional(),
  egress: refused('egress'),
  egressDeny: refused('egressDeny'),
  nodeSelector: refused('nodeSelector'),
  labels: refused('labels'),
  log: refused('log'),
})
export type CiliumRule = z.infer<typeof Rule>

export const CiliumNetworkPolicy = z.strictObject({
  apiVersion: z.literal('cilium.io/v2'),
  kind: z.literal('CiliumNetworkPolicy'),
  metadata: Metadata,
  spec: Rule.optional(),
  specs: z.array(Rule).min(1).optional(),
  status: refused('status'),
})
export type CiliumNetworkPolicy = z.infer<typeof CiliumNetworkPolicy>

const OBJECTS: { shape: object }[] = [
  CiliumNetworkPolicy,
  Metadata,
  Rule,
  IngressRule,
  IngressDenyRule,
  LabelSelector,
  PortRule,
  PortProtocol,
  L7Rules,
  PortRuleHttp,
  HeaderMatch,
  HeaderList,
]

/** Every field name of the dialect, for "did you mean". */
export const FIELDS: readonly string[] = [
  ...new Set([...OBJECTS.flatMap(({ shape }) => Object.keys(shape)), 'key', 'operator', 'cidr', 'except']),
].filter((field) => !Object.hasOwn(UNSUPPORTED, field))
