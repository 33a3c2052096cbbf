/** From a configuration to a node: which adapter stands behind which port. */
import { readFile } from 'node:fs/promises'
import { fileWorkloads } from './adapters/file-workloads.ts'
import { fileServices } from './adapters/file-services.ts'
import { fsStore } from './adapters/fs-store.ts'
import { httpStore } from './adapters/http-store.ts'
import { natsBus } from './adapters/nats-bus.ts'
import type { NodeConfig } from './config.ts'
import { openDisk } from './disk.ts'
import type { Clock, Node } from './node.ts'
import type { Bus, Kernel } from './ports.ts'
import { recoverState } from './recover.ts'
import { nothingRests } from './service-runs.ts'

const clock: Clock = { now: () => Date.now(), elapsed: () => performance.now() }

/** A damaged memory is kept aside and reported; the node goes on without it. */
export async function openNode(
  config: NodeConfig,
  kernel: Kernel,
  log: (line: string) => void,
): Promise<Node> {
  const disk = openDisk(config.stateDirectory)
  const pinnedRoot = await readFile(config.root, 'utf8')
  return {
    name: config.node,
    ring: config.ring,
    previousRing: config.previousRing,
    pinnedRoot,
    store: config.store.startsWith('/') ? fsStore(config.store) : httpStore(config.store),
    kernel,
    zone: config.zone,
    workloads: fileWorkloads(config.workloads),
    services: fileServices(config.services),
    bus: openBus(config, log),
    disk,
    ...(await recoverState(disk, { ring: config.ring, pinnedRoot })),
    clock,
    published: null,
    resting: nothingRests(),
    reported: null,
    said: null,
    log,
  }
}

function openBus(config: NodeConfig, log: (line: string) => void): Bus {
  if (config.nats === null) return { onHint: async () => {}, report: async () => {}, close: async () => {} }
  const { url, seed } = config.nats
  return natsBus({ url, seedFile: seed, node: config.node, ring: config.ring }, log)
}
