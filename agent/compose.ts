/** From a configuration to a node: which adapter stands behind which port. */
import { readFile } from 'node:fs/promises'
import { fileWorkloads } from './adapters/file-workloads.ts'
import { fileMembers } from './adapters/file-members.ts'
import { fileServices } from './adapters/file-services.ts'
import { fsStore } from './adapters/fs-store.ts'
import { httpStore } from './adapters/http-store.ts'
import { natsBus } from './adapters/nats-bus.ts'
import { natsLink } from './adapters/nats-link.ts'
import { natsRegistry } from './adapters/nats-registry.ts'
import { silentRegistry } from './adapters/silent-registry.ts'
import { readerAddress } from '../pipelines/contract/store-address.ts'
import type { NodeConfig } from './config.ts'
import { type Disk, openDisk } from './disk.ts'
import type { Clock, Node } from './node.ts'
import type { Bus, Kernel, Registry, Store } from './ports.ts'
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
  const store = await openStore(config.store)
  return {
    name: config.node,
    ring: config.ring,
    previousRing: config.previousRing,
    pinnedRoot,
    store,
    kernel,
    zone: config.zone,
    workloads: fileWorkloads(config.workloads),
    services: fileServices(config.services),
    ...(await openBus(config, { disk, store }, log)),
    disk,
    ...(await recoverState(disk, { ring: config.ring, pinnedRoot })),
    clock,
    published: null,
    routed: null,
    resting: nothingRests(),
    attempt: null,
    metered: null,
    reported: null,
    said: null,
    log,
  }
}

async function openStore(address: string): Promise<Store> {
  const where = readerAddress(address)
  switch (where.kind) {
    case 'directory':
      return fsStore(where.path)
    case 'http':
      return httpStore(where.url)
    case 's3': {
      // Its SDK is memory that an agent on files or http does not pay.
      const { s3Store } = await import('./adapters/s3-store.ts')
      return s3Store(where)
    }
  }
}

async function openBus(
  config: NodeConfig,
  { disk, store }: { disk: Disk; store: Store },
  log: (line: string) => void,
): Promise<{ bus: Bus; registry: Registry }> {
  const { nats, node, ring, zone } = config
  if (nats === null) {
    const bus = { onHint: async () => {}, report: async () => {}, close: async () => {} }
    return { bus, registry: silentRegistry }
  }
  const options = { ...nats, node, ring, store, disk }
  const link = natsLink(options, log)
  const members = fileMembers(config.members)
  const registry = await natsRegistry({ node, zone, members, disk, clock }, link, log)
  return { bus: natsBus(options, log, link), registry }
}
