/** Routes as text, and what Heddle says to them. */
import assert from 'node:assert/strict'
import { readPolicies, type TextFile } from '../../../functions/validate/load-policies.ts'
import type { Route, RouteRule } from '../../../pipelines/policy/route.ts'

const GROUP = 'gateway.networking.k8s.io'
export const object = (kind: string, metadata: string, spec: string, version = `${GROUP}/v1`): TextFile => ({
  path: 'r.yaml',
  text: `apiVersion: ${version}\nkind: ${kind}\nmetadata: ${metadata}\nspec: ${spec}\n`,
})
const PARENT = '{group: "", kind: Service, name: echo}'
/** Rules of a route in `default` for Service `echo`; everything stands in line 4. */
export const rules = (list: string, parents = PARENT): TextFile =>
  object('HTTPRoute', '{name: r}', `{parentRefs: [${parents}], rules: [${list}]}`)
export const BACKEND = 'backendRefs: [{name: a, port: 80}]'
/** One rule with a backend, and more. */
export const rule = (parts: string) => rules(`{${BACKEND}, ${parts}}`)
export const match = (text: string) => rule(`matches: [${text}]`)
export const filter = (text: string) => rule(`filters: [${text}]`)
export const service = (name: string, spec: string, namespace = 'default'): TextFile =>
  object('Service', `{name: ${name}, namespace: ${namespace}}`, spec, 'v1')
export const grant = (namespace: string, from: string, to = '{group: "", kind: Service}') =>
  object(
    'ReferenceGrant',
    `{name: g, namespace: ${namespace}}`,
    `{from: [{group: ${GROUP}, kind: HTTPRoute, namespace: ${from}}], to: [${to}]}`,
  )
/** Files of their own for each. */
export const apart = (...files: TextFile[]): TextFile[] =>
  files.map(({ text }, index) => ({ path: `${index}.yaml`, text }))

export type Accepted = { routes: Route[]; warnings: string[] }
export function accepted(...files: TextFile[]): Accepted {
  const loaded = readPolicies(files)
  if (!('set' in loaded)) assert.fail(loaded.findings.map(({ message }) => message).join('\n'))
  const warnings = loaded.warnings.map(({ message, hint }) => `${message} | ${hint}`)
  return { routes: loaded.set.routes, warnings }
}
export function onlyRule(file: TextFile): RouteRule {
  const [route, second] = accepted(file).routes
  assert.ok(route !== undefined && second === undefined)
  return route.rules[0] as RouteRule
}
