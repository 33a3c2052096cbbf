/**
 * Many agents in one process: each has its own directory, its own connection to the bus and its own
 * simulated kernel, and runs the agent's real loop, pull, verification and report.
 *
 *     agents-child.js                       told over IPC what to start; says what it has
 */
import { systemTimer } from '../../../agent/adapters/system-timer.ts'
import { copyFile, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { natsBus } from '../../../agent/adapters/nats-bus.ts'
import { openNode } from '../../../agent/compose.ts'
import { NodeConfig } from '../../../agent/config.ts'
import { runNode, type Running } from '../../../agent/run.ts'
import type { Store } from '../../../agent/ports.ts'
import { memoryKernel } from '../../fakes/memory-kernel.ts'
import { Turns } from './turns.ts'

export type Start = { names: string[]; ring: string; store: string; nats: string; dir: string }
export type ToAgents = { start: Start } | { count: true } | { stop: true }
/** Since the last question: bytes of bodies, and requests, of all agents here. */
export type Read = { bytes: number; gets: number }
export type FromAgents = { started: number } | { read: Read } | { stopped: true } | { failed: string }

/** Nobody looks but for a hint: the timer's looks would be part of what is measured. */
const POLL_MS = 3_600_000
/**
 * Agents that are at work at a time. All of a fleet's nodes would be, each on its own machine; here they
 * share two cores, and a program in memory for each of thousands would only wait there for its turn.
 */
const AT_WORK = 16

const running: Running[] = []
const turns = new Turns(AT_WORK)
let read: Read = { bytes: 0, gets: 0 }
const tell = (message: FromAgents) => process.send?.(message)
const counted = (store: Store): Store => ({
  async get(key, maxBytes) {
    const bytes = await store.get(key, maxBytes)
    read.gets++
    read.bytes += bytes?.length ?? 0
    return bytes
  },
})

async function startAgent(name: string, { ring, store, nats, dir }: Start): Promise<void> {
  const stateDirectory = join(dir, 'state', name)
  await mkdir(stateDirectory, { recursive: true, mode: 0o700 })
  // A node watches the folder of its own file.
  const workloads = join(stateDirectory, 'workloads.json')
  await copyFile(join(dir, 'workloads.json'), workloads)
  const config = NodeConfig.parse({
    ...{ schema: 'heddle.node/1', node: name, ring, previousRing: null, store, stateDirectory },
    ...{ bpffs: '/sys/fs/bpf/simulated', cgroup: '/sys/fs/cgroup', workloads, root: join(dir, 'root.json') },
    ...{ nats: null, pollMs: POLL_MS },
  })
  const node = await openNode(config, memoryKernel(), () => {})
  const seed = join(dir, 'nats/nodes', `${name}.nk`)
  const options = { url: nats, seed, tls: null, store: node.store, disk: node.disk, node: name, ring }
  const bus = natsBus(options, () => {})
  // A second hint before the report takes a turn, too.
  const held: (() => void)[] = []
  const enforced = new Promise<void>((resolve, reject) => {
    node.bus = {
      ...bus,
      onHint: (wake) =>
        bus.onHint(() =>
          turns.take((end) => {
            held.push(end)
            wake()
          }),
        ),
      async report(statement) {
        for (const end of held.splice(0)) end()
        if (statement.generation !== null) resolve()
        else if (statement.failure !== null) reject(new Error(`${name}: ${statement.failure.message}`))
        await bus.report(statement)
      },
    }
  })
  node.store = counted(node.store)
  running.push(await runNode(node, systemTimer, { intervalMs: POLL_MS, jitter: 0, beatMs: config.reportMs }))
  await enforced
}

async function startAll(start: Start): Promise<void> {
  const names = [...start.names]
  const lanes = Array.from({ length: AT_WORK }, async () => {
    for (let name = names.pop(); name !== undefined; name = names.pop()) await startAgent(name, start)
  })
  await Promise.all(lanes)
  tell({ started: start.names.length })
}

async function stop(): Promise<void> {
  await Promise.all(running.map((each) => each.stop()))
  tell({ stopped: true })
  process.disconnect?.()
}

process.on('message', (message: ToAgents) => {
  const failed = (error: Error) => tell({ failed: error.message })
  if ('start' in message) startAll(message.start).catch(failed)
  else if ('stop' in message) stop().catch(failed)
  else {
    tell({ read })
    read = { bytes: 0, gets: 0 }
  }
})
// Whoever measures has gone: nothing stays behind.
process.on('disconnect', () => process.exit(0))
