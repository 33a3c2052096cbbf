/** Policies and requests in a few words. */
import { utf8 } from '../../../pipelines/bytes.ts'
import type { HttpMatch, Peer, Policy, Rule, Selector } from '../../../pipelines/policy/model.ts'
import type { Request } from '../../../pipelines/protocols/http1-request.ts'

const at = (line: number) => ({ file: 'p.yaml', line, column: 1 })
const app = (name: string): Selector => ({
  namespaces: ['default'],
  requirements: [{ key: 'app', operator: 'In', values: [name] }],
})
export const from = (name: string): Peer[] => [{ kind: 'endpoints', selector: app(name) }]
export const tcp = (port: number) => [{ protocol: 'TCP' as const, first: port, last: port }]
export const rule = (line: number, parts: Partial<Rule>): Rule => ({
  source: at(line),
  peers: null,
  ports: null,
  http: null,
  ...parts,
})
export const http = (line: number, parts: Partial<HttpMatch>): HttpMatch => ({
  source: at(line),
  headers: [],
  ...parts,
})
export const policy = (parts: Partial<Policy>): Policy => ({
  name: 'p',
  namespace: 'default',
  source: at(1),
  subject: app('api'),
  unparsed: 'refuse',
  selects: true,
  allow: [],
  deny: [],
  ...parts,
})
export const request = (
  method: string,
  target: string,
  fields: [string, string][] = [['Host', 'x']],
): Request => ({
  method: utf8(method),
  target: utf8(target),
  version: '1.1',
  fields: fields.map(([name, value]) => ({ name: utf8(name), value: utf8(value) })),
})
export const workload = (name: string) => ({ namespace: 'default', labels: { app: name } })
