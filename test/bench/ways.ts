/** What a front of the suites `datapath` and `actions` runs: servers, and what stands between them and the client. */
import type { Foundation } from '../../infra/local/foundation.ts'
import { BODY_BYTES } from './cases.ts'
import type { BenchService, Mesh } from './mesh.ts'
import { haproxy, nginxProxy, origin, startProgram, writeBodies, wrongOrigin } from './programs.ts'
import type { Site } from './sites.ts'
import type { Share } from './statistics.ts'

const ORIGIN_PORT = 8080
/** Hops listen from here on, the first one on the first. */
const HOP_PORT = 8081
/** Where the server of rerouted requests listens. */
const OTHER_PORT = 8090
/** The port of the bench's services, as clients name it. */
const SERVICE_PORT = 80

/** `share` only where a mesh is on the way. */
export type Way = { site: Site; url: string; share?: () => Promise<Share>; close(): Promise<void> }

/** One a site, into `ways`, by the sites' names: also of those that were begun before one failed. */
export async function startWays(
  stack: Foundation,
  sites: readonly Site[],
  mesh: Mesh | undefined,
  ways: Map<string, Way>,
): Promise<void> {
  for (const site of sites) ways.set(site.name, await startWay(stack, site, mesh))
}

/** The foundation goes even if a way doesn't end well; that one's error is told. */
export async function closeWays(stack: Foundation, ways: ReadonlyMap<string, Way>): Promise<void> {
  try {
    for (const way of ways.values()) await way.close()
  } finally {
    await stack.down()
  }
}

/** Resolves when the way can be used from end to end. The mesh's part ends by `close`, the rest with the foundation. */
async function startWay(stack: Foundation, site: Site, mesh: Mesh | undefined): Promise<Way> {
  const { name, front } = site
  const services = await startServers(site, front.mesh?.rerouted ?? false)
  if (front.mesh === undefined) return { site, url: await startHops(site), close: async () => {} }
  if (mesh === undefined) throw new Error(`no mesh to start for ${name}`)
  const first = services[0].service
  const target = (services[1] ?? services[0]).service
  return {
    site,
    ...(await mesh.start({
      near: site.near,
      far: site.far,
      cpus: site.cpus.between,
      mountBpffs: (node) => stack.mountBpffs(`${name}-${node}`),
      services,
      says: front.mesh.says({ first, target, port: ORIGIN_PORT }),
    })),
  }
}

/** One server; where all requests are to be rerouted one more, and then the first answers none. */
async function startServers(site: Site, rerouted: boolean): Promise<[BenchService, ...BenchService[]]> {
  const { host, dir, managed } = site.far
  const spot = { dir, namespace: host.namespace, cgroup: managed, cpus: site.cpus.server }
  const place = (name: string, port: number) => ({
    named: { name, listen: `${host.address4}:${port}` },
    service: {
      service: { namespace: 'bench', name, port: SERVICE_PORT },
      endpoint: { address: host.address4, port },
    },
  })
  const first = place('api', ORIGIN_PORT)
  writeBodies(dir, BODY_BYTES)
  await startProgram(spot, (rerouted ? wrongOrigin : origin)(dir, first.named))
  if (!rerouted) return [first.service]
  const other = place('other', OTHER_PORT)
  await startProgram(spot, origin(dir, other.named))
  return [first.service, other.service]
}

/** The last hop first, as each needs the one behind it. The result is where the client connects to. */
async function startHops(site: Site): Promise<string> {
  const { host, dir, between } = site.near
  const spot = { dir, namespace: host.namespace, cgroup: between, cpus: site.cpus.between }
  let to = `${site.far.host.address4}:${ORIGIN_PORT}`
  for (const [index, kind] of [...site.front.hops.entries()].reverse()) {
    const named = { name: `hop-${index + 1}`, listen: `${host.address4}:${HOP_PORT + index}` }
    await startProgram(spot, kind === 'nginx' ? nginxProxy(dir, named, to) : haproxy(named, to))
    to = named.listen
  }
  return `http://${to}`
}
