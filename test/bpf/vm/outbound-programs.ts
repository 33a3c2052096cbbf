/** Generations with routes, as the compiler makes them, and beside each what the agent would read in its manifest. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Block, RouteEntry } from '../../../pipelines/contract/artifact.ts'
import type { Policy } from '../../../pipelines/policy/model.ts'
import type { Route, ServicePort } from '../../../pipelines/policy/route.ts'
import { compileSet } from '../kernel/artifacts.ts'

export type RoutedGeneration = {
  blocks: Block[]
  services: readonly ServicePort[]
  routes: readonly RouteEntry[]
}

const source = { file: 'lane.yaml', line: 1, column: 1 }

/** Of front: /a… to service a, /b… to b and /c… to c, or a and b the other way round. */
const WAYS = {
  front: { '/a': 'a', '/b': 'b', '/c': 'c' },
  swapped: { '/a': 'b', '/b': 'a', '/c': 'c' },
}

const rule = ([prefix, name]: [string, string]): Route['rules'][number] => ({
  source,
  matches: [{ source, path: { kind: 'prefix', value: prefix }, headers: [], query: [] }],
  filters: [],
  backends: [{ service: { namespace: 'lane', name, port: 80 }, weight: 1, filters: [] }],
  requestTimeout: 0,
  backendTimeout: 0,
})
const route = (ways: Record<string, string>): Route => ({
  name: 'front',
  namespace: 'lane',
  source,
  created: '',
  service: { namespace: 'lane', name: 'front', port: 80 },
  clients: null,
  rules: Object.entries(ways).map(rule),
})

/** Whoever calls the workload with the servers of this node: not for /…/secret. */
const NO_SECRETS: Policy = {
  name: 'no-secrets',
  namespace: 'lane',
  source,
  subject: {
    namespaces: ['lane'],
    requirements: [{ key: 'app', operator: 'In', values: ['lane'] }],
  },
  unparsed: 'refuse',
  selects: true,
  allow: [
    {
      source,
      peers: null,
      ports: [{ protocol: 'TCP', first: 1, last: 65535 }],
      http: [{ source, path: '/[a-z]+(/[^s].*)?', headers: [] }],
    },
  ],
  deny: [],
}

/** `NAME.o` and `NAME.json` for both, in `directory`. */
export async function buildRoutedGenerations(directory: string): Promise<void> {
  for (const [name, ways] of Object.entries(WAYS)) {
    const { elf, blocks, services, routes } = await compileSet({
      policies: [NO_SECRETS],
      routes: [route(ways)],
    })
    const beside: RoutedGeneration = { blocks, services, routes }
    await writeFile(join(directory, `${name}.o`), elf)
    await writeFile(join(directory, `${name}.json`), JSON.stringify(beside))
  }
}
