/** What the manifests of a test make of a cluster: the policy set, and who serves which service. */
import { stringify } from 'yaml'
import { readYaml } from '../../functions/adapters/yaml-source.ts'
import {
  type ReadReference,
  readReference,
  referencesOf,
} from '../../pipelines/languages/gateway/documents.ts'
import type { References } from '../../pipelines/languages/routes/references.ts'
import { readRoute } from '../../pipelines/languages/gateway/route.ts'
import { type ParentStatus, routeStatus } from '../../pipelines/languages/gateway/status.ts'
import type { SourceNode } from '../../pipelines/languages/source-node.ts'
import type { PolicySet } from '../../pipelines/policy/model.ts'
import type { Endpoints } from '../../pipelines/policy/route-evaluate.ts'
import type { ServicePort } from '../../pipelines/policy/route.ts'
import type { Manifest } from './gateway-corpus.ts'

type Labels = Record<string, string>
export type Cluster = {
  set: PolicySet
  /** Deployments behind a service's port: any of them may answer. `null` = the manifests don't say. */
  backends(service: ServicePort): string[] | null
  endpoints(service: ServicePort): Endpoints
}

/** The front-end refuses the manifests: the first reason. */
export class RefusedManifest extends Error {}

function rootOf(manifest: Manifest): SourceNode {
  const name = `${manifest.kind}-${manifest.metadata.name}.yaml`
  const read = readYaml(name, stringify(manifest))
  const [root] = 'documents' in read ? read.documents : []
  if (root === undefined) throw new Error(`${name} is no YAML`)
  return root
}

/** The whole cluster is known: a Service that is not there does not exist. */
function known(manifests: readonly Manifest[]): { read: ReadReference[]; references: References } {
  const read = manifests.flatMap((manifest): ReadReference[] => {
    const { kind } = manifest
    return kind === 'Service' || kind === 'ReferenceGrant' ? [readReference(rootOf(manifest), kind)] : []
  })
  return { read, references: referencesOf(read, true) }
}

const routeRoots = (manifests: readonly Manifest[]) =>
  manifests.filter(({ kind }) => kind === 'HTTPRoute').map(rootOf)

function setOf(manifests: readonly Manifest[]): PolicySet {
  const { read, references } = known(manifests)
  const routes = routeRoots(manifests).map((root) => readRoute(root, references))
  const error = [...read, ...routes]
    .flatMap(({ findings }) => findings)
    .find(({ severity }) => severity === 'error')
  if (error !== undefined) throw new RefusedManifest(error.message)
  return { policies: [], routes: routes.flatMap((route) => route.routes) }
}

/** What a controller would report of the routes. */
export function statusesOf(manifests: readonly Manifest[]): ParentStatus[] {
  const { references } = known(manifests)
  return routeRoots(manifests).flatMap((root) => routeStatus(root, references))
}

const within = (wanted: Labels, labels: Labels) =>
  Object.entries(wanted).every(([key, value]) => labels[key] === value)

/** Throws RefusedManifest. */
export function clusterOf(manifests: readonly Manifest[]): Cluster {
  const inNamespace = (kind: string, namespace: string) =>
    manifests.filter((manifest) => manifest.kind === kind && manifest.metadata.namespace === namespace)
  const serviceOf = ({ namespace, name }: ServicePort) =>
    inNamespace('Service', namespace).find(({ metadata }) => metadata.name === name)
  const backends = (service: ServicePort) => {
    const selector = serviceOf(service)?.spec?.['selector'] as Labels | undefined
    if (selector === undefined) return null
    return inNamespace('Deployment', service.namespace)
      .filter(({ spec }) => {
        const template = spec?.['template'] as { metadata?: { labels?: Labels } } | undefined
        return within(selector, template?.metadata?.labels ?? {})
      })
      .map(({ metadata }) => metadata.name)
  }
  const endpoints = (service: ServicePort): Endpoints => {
    const ports = serviceOf(service)?.spec?.['ports'] as { port: number }[] | undefined
    if (ports?.some(({ port }) => port === service.port) !== true) return 'unknown'
    return backends(service)?.length === 0 ? 'none' : 'ready'
  }
  return { set: setOf(manifests), backends, endpoints }
}
