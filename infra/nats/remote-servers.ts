/** Servers of a bus on machines of their own: a directory each, to be copied there under the same path. */
import { layBus, prepareServer } from './local-server.ts'

const CLIENT_PORT = 4222
const ROUTE_PORT = 6222

export type RemoteServer = { name: string; host: string }

/** Members and keys that are there stay; so `init` with one server more is how a cluster grows. */
export async function prepareRemote(
  directory: string,
  servers: readonly RemoteServer[],
): Promise<{ name: string; url: string; start: string }[]> {
  const bus = await layBus(directory, true)
  const prepared = []
  for (const { name, host } of servers) {
    const others = servers.filter((other) => other.name !== name)
    const routes = others.map((other) => `nats-route://${other.host}:${ROUTE_PORT}`)
    const cluster = { listen: `${host}:${ROUTE_PORT}`, routes, advertise: null }
    const place = { name, host, port: CLIENT_PORT, cluster: others.length === 0 ? null : cluster }
    const { command } = await prepareServer(bus, place)
    prepared.push({ name, url: `tls://${host}:${CLIENT_PORT}`, start: command.join(' ') })
  }
  return prepared
}
