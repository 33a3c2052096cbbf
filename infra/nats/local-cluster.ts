/** Several nats-servers of one bus on this machine: routes with certificates of their own, one list of members. */
import {
  type Bus,
  type BusOptions,
  type LocalNode,
  type PreparedNats,
  prepareBus,
  prepareServer,
} from './local-server.ts'

export type ClusterServer = Pick<PreparedNats, 'command' | 'url'> & { name: string }
export type PreparedCluster = Bus & { servers: ClusterServer[] }

export type ClusterOptions = {
  host: string
  /** A server each: a route is written before anybody listens there, so that no port can be left to chance. */
  routePorts: readonly number[]
  nodes: readonly LocalNode[]
  /** Where `from` finds `to`: for who stands in between. Without it, where `to` listens. */
  routeOf?: (from: string, to: string, port: number) => number | Promise<number>
}

/** Servers are called nats-1, nats-2, and so on; one alone has no routes. Everybody shows certificates. */
export async function prepareCluster(directory: string, options: ClusterOptions): Promise<PreparedCluster> {
  if (options.routePorts.length === 0) throw new RangeError('a bus has one server at least')
  const { host, routePorts, nodes, routeOf = (_from, _to, port) => port } = options
  const members: BusOptions = { nodes, tls: true }
  const bus = await prepareBus(directory, members)
  const places = routePorts.map((port, index) => ({ name: `nats-${index + 1}`, port }))
  const servers: ClusterServer[] = []
  for (const { name, port } of places) {
    const routes: string[] = []
    for (const other of places)
      if (other.name !== name)
        routes.push(`nats-route://${host}:${await routeOf(name, other.name, other.port)}`)
    const cluster = {
      listen: `${host}:${port}`,
      routes,
      // Servers tell each other of third ones: nobody may go around who stands in between.
      advertise: options.routeOf === undefined ? null : `${host}:1`,
    }
    const place = { name, host, cluster: places.length === 1 ? null : cluster }
    servers.push({ name, ...(await prepareServer(bus, place)) })
  }
  return { ...bus, servers }
}
