/**
 * Heddle as the mesh of the suites `datapath` and `actions`: on every node what the agent would put into its
 * kernel, and a relay.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createKernel } from '../../agent/adapters/libbpf-kernel.ts'
import { assign, rowsFor } from '../../agent/identities.ts'
import { routeContentFor } from '../../agent/route-choices.ts'
import { nothingRests } from '../../agent/service-runs.ts'
import { storesFor } from '../../agent/service-stores.ts'
import type { Kernel, ServiceWish } from '../../agent/ports.ts'
import type { Compiled } from '../../functions/ports.ts'
import { untilReady } from '../../infra/local/process.ts'
import type { Workload } from '../../pipelines/policy/model.ts'
import { serviceKey } from '../../pipelines/services/model.ts'
import { compiler } from './enforce.ts'
import type { BenchService, Mesh, Place } from './mesh.ts'
import { startRelay } from './relay.ts'
import { leadsToRelay, servedOn } from './served.ts'
import type { Node } from './sites.ts'
import type { Share } from './statistics.ts'

const SLOT = 0
const GENERATION = 1

/** What all nodes are told alike; each finds in it what is its own. */
type Told = { workloads: readonly Workload[]; services: readonly BenchService[]; artifact: Compiled }

type WovenNode = { share(): Promise<Share>; close(): Promise<void> }

export const heddleMesh: Mesh = {
  async start(place) {
    const { services, near, far, says } = place
    const artifact = await compiler.compile(says)
    const told: Told = { workloads: workloadsOf(place), services, artifact }
    const nodes: WovenNode[] = []
    const close = async () => {
      for (const node of nodes) await node.close()
    }
    try {
      // The far one first: connections that are there before it is would go unjudged.
      if (far !== near) nodes.push(await weave(far, 'far', place, told))
      nodes.push(await weave(near, 'near', place, told))
    } catch (error) {
      await close()
      throw error
    }
    return { url: `http://${addressOf(0)}:${services[0]?.service.port}`, share: () => sumOf(nodes), close }
  },
} satisfies Mesh

/** Where clients find a service, by its place in the list. */
const addressOf = (index: number) => `10.96.0.${index + 1}`

/** On one node both have its network: then the client, which nobody calls, is known by the other address. */
function workloadsOf({ near, far }: Place): Workload[] {
  const workload = (app: string, address: string): Workload => ({
    name: app,
    namespace: 'bench',
    labels: { app },
    addresses: [address],
    mode: 'kernel',
  })
  const { address4, address6 } = near.host
  return [
    workload('client', near === far ? address6 : address4),
    workload('server', near === far ? address4 : far.host.address4),
  ]
}

/** Resolves when the node's new connections are Heddle's. */
async function weave(node: Node, name: string, place: Place, told: Told): Promise<WovenNode> {
  const dir = join(node.dir, 'heddle')
  mkdirSync(dir)
  const bpffs = place.mountBpffs(name)
  const kernel = createKernel({ bpffs, cgroup: node.managed })
  await fill(kernel, dir, node, told)
  const own = told.workloads.filter(({ addresses: [first] }) => isOf(node, first))
  const spot = { dir, namespace: node.host.namespace, cgroup: node.between, cpus: place.cpus }
  const { running, stats } = startRelay({ spot, bpffs, managed: node.managed }, own)
  await untilReady(running, () => leadsToRelay(bpffs))
  return {
    share: () => servedOn(bpffs, stats),
    async close() {
      await running.stop()
      await kernel.detach()
    },
  }
}

/** In the agent's order: nothing leads to what is not there yet. */
async function fill(kernel: Kernel, dir: string, node: Node, told: Told): Promise<void> {
  const { artifact, workloads, services } = told
  const files = { dispatcher: join(dir, 'dispatcher.o'), inbound: join(dir, 'inbound.o') }
  writeFileSync(files.dispatcher, await compiler.dispatcher())
  writeFileSync(files.inbound, artifact.elf)
  const { identities, addresses } = assign({ identities: [], published: [] }, [...workloads])
  const numbers = new Map(services.map(({ service }, index) => [serviceKey(service), index + 1]))
  await kernel.install(files.dispatcher)
  await kernel.stage(SLOT, files.inbound, rowsFor(artifact.blocks, identities))
  await kernel.setAddresses(addresses)
  await kernel.setRoutes(SLOT, routeContentFor(artifact, { numbers, identities }))
  const content = await kernel.outbound.read()
  if (content === null) throw new Error('the dispatcher knows no services')
  const wishes = services.map((each, index) => wishFor(node, each, index))
  for (const store of storesFor(content, wishes, nothingRests(), 0)) await kernel.outbound.write(store)
  const [client] = addresses
  if (isOf(node, client?.address)) {
    const ids = [...(await kernel.outbound.cgroupIds(['.'])).values()]
    await kernel.outbound.setCgroups(ids.map((id) => ({ id, identity: client?.identity ?? 0 })))
  }
  await kernel.flip(SLOT, GENERATION)
}

function wishFor(node: Node, { service, endpoint }: BenchService, index: number): ServiceWish {
  const local = isOf(node, endpoint.address)
  return {
    number: index + 1,
    addresses: [{ address: addressOf(index), port: service.port }],
    endpoints: [{ ...endpoint, local, weight: 1 }],
    local: Number(local),
    zone: Number(local),
  }
}

const isOf = ({ host }: Node, address: string | undefined) =>
  address === host.address4 || address === host.address6

async function sumOf(nodes: readonly WovenNode[]): Promise<Share> {
  const each = await Promise.all(nodes.map((node) => node.share()))
  const sum = (part: keyof Share) => each.reduce((total, share) => total + share[part], 0)
  return { kernel: sum('kernel'), relay: sum('relay') }
}
