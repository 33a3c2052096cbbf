/** The bus of a local stack: a real nats-server on the stack's wire. */
import { join } from 'node:path'
import { prepareNats } from '../nats/local-server.ts'
import { makeCgroup } from './cgroup.ts'
import { NODE_NAMES, ringOf } from './fleet.ts'
import type { Foundation } from './foundation.ts'
import { launch, type Running, untilReady } from './process.ts'

export type Nats = { url: string; seedFile: string; seedOf(node: string): string; process: Running }

export async function startNats(stack: Foundation): Promise<Nats> {
  const nodes = NODE_NAMES.map((name) => ({ name, ring: ringOf(name).ring }))
  const server = await prepareNats(join(stack.dir, 'nats'), stack.cloud.address4, nodes)
  const running = launch({
    name: 'nats-server',
    command: server.command,
    cgroup: makeCgroup(join(stack.cgroup, 'nats')),
    namespace: stack.cloud.namespace,
    log: join(stack.dir, 'log', 'nats.log'),
  })
  let url: string | undefined
  await untilReady(running, async () => {
    url = await server.url()
    return url !== undefined
  })
  return { url: url ?? '', seedFile: server.seedFile, seedOf: server.seedOf, process: running }
}
