/** The bus of a local stack: real nats-servers on the stack's wire. */
import { join } from 'node:path'
import { prepareCluster } from '../nats/local-cluster.ts'
import type { Bus } from '../nats/local-server.ts'
import { makeCgroup } from './cgroup.ts'
import { NODE_NAMES, ringOf } from './fleet.ts'
import type { Foundation } from './foundation.ts'
import { launch, type Running, untilReady } from './process.ts'

/** Where servers listen for each other: the wire's namespace is the stack's own. */
const FIRST_ROUTE_PORT = 6222

export type Nats = Bus & {
  /** All servers, with commas between. */
  url: string
  processes: Running[]
}

export async function startNats(stack: Foundation, count: number): Promise<Nats> {
  const nodes = NODE_NAMES.map((name) => ({ name, ring: ringOf(name).ring }))
  const directory = join(stack.dir, 'nats')
  const host = stack.cloud.address4
  const cgroup = makeCgroup(join(stack.cgroup, 'nats'))
  const routePorts = Array.from({ length: count }, (_, index) => FIRST_ROUTE_PORT + index)
  const { servers, ...bus } = await prepareCluster(directory, { host, routePorts, nodes })
  const started = await Promise.all(
    servers.map(async ({ name, command, url: ask }) => {
      const running = launch({
        name: 'nats-server',
        command,
        cgroup,
        namespace: stack.cloud.namespace,
        log: join(stack.dir, 'log', `${name}.log`),
      })
      let url: string | undefined
      await untilReady(running, async () => {
        url = await ask()
        return url !== undefined
      })
      return { running, url }
    }),
  )
  const url = started.map((each) => each.url).join(',')
  return { ...bus, url, processes: started.map(({ running }) => running) }
}
