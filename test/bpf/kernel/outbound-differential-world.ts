/** Who is on the node of the differential test: servers, services, and clients that the kernel carries or does not. */
import type { Workload } from '../../../pipelines/policy/model.ts'
import type { ServicePort } from '../../../pipelines/policy/route.ts'

const service = (namespace: string, name: string, port: number): ServicePort => ({ namespace, name, port })

/** Each listens at an address of loopback that is a workload's. */
export const SERVERS: (Workload & { service: string })[] = [
  ['e1', 'echo'],
  ['s0', 's0'],
  ['s1a', 's1'],
  ['s1b', 's1'],
  ['s2', 's2'],
].map(([name = '', of = ''], i) => ({
  name,
  service: of,
  namespace: 'n',
  labels: { app: of, server: name },
  addresses: [`127.0.0.${11 + i}`],
  mode: 'kernel' as const,
}))

/** The number of a service is its place here; `at`: where clients call it. */
export const SERVICES: { service: ServicePort; at?: string; servers: string[] }[] = [
  { service: service('n', 'echo', 80), at: '10.96.0.1', servers: ['e1'] },
  { service: service('n', 'echo', 8080), at: '10.96.0.1', servers: ['s0'] },
  { service: service('m', 'echo', 80), at: '10.96.0.2', servers: ['s2'] },
  { service: service('n', 's0', 80), servers: ['s0'] },
  { service: service('n', 's1', 80), servers: ['s1a', 's1b'] },
  { service: service('n', 's2', 80), servers: ['s2'] },
  { service: service('n', 's3', 80), servers: [] },
]
export const FRONTS = SERVICES.filter(({ at }) => at !== undefined)

/** `slow`: no pool is kept for it, so that the relay serves every request of its clients. */
export type Caller = { workload: Workload | null; slow: boolean }

const caller = (namespace: string, app: string, slow: boolean): Caller => ({
  slow,
  workload: {
    name: `${namespace}-${slow}`,
    namespace,
    labels: { app, ...(slow && { slow: 'yes' }) },
    addresses: [`127.0.1.${namespace.length + (slow ? 100 : 0)}`],
    mode: 'kernel',
  },
})

/** Each beside its twin, which policies and routes can't tell from it. */
export const CALLERS = (['red', 'blue'] as const).map((namespace) => ({
  fast: caller(namespace, 'web', false),
  slow: caller(namespace, 'web', true),
}))
export const WORKLOADS: Workload[] = [
  ...SERVERS.map(({ service: _service, ...workload }) => workload),
  ...CALLERS.flatMap(({ fast, slow }) => [fast, slow].flatMap(({ workload }) => workload ?? [])),
]
