/** Policies that count requests: everything is allowed, as often as the limits say. */
import type { Limit, LimitKey } from '../../../pipelines/policy/limit.ts'
import type { LimitRule, PolicySet } from '../../../pipelines/policy/model.ts'

const SOURCE = { file: 'limits.yaml', line: 1, column: 1 }
const PORTS = [{ protocol: 'TCP' as const, first: 1, last: 65_535 }]

/** Requests whose path begins so are counted; without one, all. */
export type Counted = { name: string; limit: Limit; path?: string }

/** So many at once, and one more in an hour: what a test asks meanwhile gets none. */
export function atOnce(burst: number, key: LimitKey[] = []): Limit {
  return { bucket: 'token', rate: 1, per: 3_600_000, burst, key }
}

export function limitedSet(limits: readonly Counted[], allowed = true): PolicySet {
  const rules = limits.map(
    ({ name, limit, path }): LimitRule => ({
      ...{ source: SOURCE, peers: null, ports: PORTS, name, limit },
      http: [
        {
          ...{ source: SOURCE, headers: [] },
          ...(path === undefined
            ? {}
            : { condition: { kind: 'path', text: { kind: 'prefix', value: path } } }),
        },
      ],
    }),
  )
  const all = { source: SOURCE, peers: null, ports: PORTS, http: [{ source: SOURCE, headers: [] }] }
  return {
    policies: [
      {
        ...{ name: 'limited', namespace: 'default', source: SOURCE, unparsed: 'refuse' },
        subject: { namespaces: ['default'], requirements: [{ key: 'app', operator: 'In', values: ['api'] }] },
        ...{ selects: allowed, allow: allowed ? [all] : [], deny: [], limits: rules },
      },
    ],
    routes: [],
  }
}
