/** Who is on the node of the differential test: servers, services, and clients. */
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

/** `null` = a process that is no workload's. */
export type Caller = { name: string; workload: Workload | null }

const caller = (namespace: string, address: string): Caller => ({
  name: namespace,
  workload: { name: namespace, namespace, labels: { app: 'web' }, addresses: [address], mode: 'kernel' },
})

export const CALLERS: Caller[] = [
  caller('red', '127.0.1.1'),
  caller('blue', '127.0.1.2'),
  { name: 'nobody', workload: null },
]
export const WORKLOADS: Workload[] = [
  ...SERVERS.map(({ service: _service, ...workload }) => workload),
  ...CALLERS.flatMap(({ workload }) => workload ?? []),
]
