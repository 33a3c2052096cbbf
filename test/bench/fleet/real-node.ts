/**
 * One real node at rest: the agent as it is installed, its programs in this kernel. From the hint on
 * until its report is heard (`ms`): of a new artifact (`hint-to-enforced`), and of the one before,
 * which is still pinned (`rollback`). `node_ms` is the same until the flip, by the node's own clock.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createKernel } from '../../../agent/adapters/libbpf-kernel.ts'
import { findCgroup2, removeCgroup } from '../../../infra/local/cgroup.ts'
import { mountBpffs } from '../../bpf/kernel/bpffs.ts'
import { whyNoKernel } from '../../bpf/kernel/kernel-fixture.ts'
import type { Sample } from '../statistics.ts'
import { type FleetWorld, fleetWorld, type Push } from './fleet-world.ts'
import { hear } from './hear.ts'

const AGENT = fileURLToPath(new URL('../../../agent/main.js', import.meta.url))
const NODE = 'node-0'
/** An agent's own pace in a fleet: it looks every 30 s, unless a hint comes. */
const POLL_MS = 30_000
/** A p99 wants a hundred looks. */
const LOOKS = 100
const WORKLOAD = {
  ...{ name: 'api-1', namespace: 'bench', labels: { app: 'api' } },
  ...{ addresses: ['127.0.0.1'], mode: 'kernel' },
}

/** `hint-to-enforced` and `rollback`, each the median and the 99th percentile of a hundred. */
export async function realNode(say: (line: string) => void, add: (name: string, sample: Sample) => void) {
  const absent = whyNoKernel()
  if (absent !== undefined) return say(`no real node: ${absent}`)
  const world = await fleetWorld(1, say)
  try {
    const agent = new Agent(world)
    world.onClose(() => agent.stop())
    const first = hear(world, 1)
    first.wants((await world.push()).number)
    agent.start()
    await first.all
    const [there, back]: [Look[], Look[]] = [[], []]
    for (let round = 0; round < LOOKS; round++) {
      there.push(await look(world, () => world.push()))
      back.push(await look(world, () => world.back()))
      if (round % 10 === 9) say(`${round + 1} of ${LOOKS} releases there and back`)
    }
    add('hint-to-enforced', sampleOf(there))
    add('rollback', sampleOf(back))
  } finally {
    await world.close()
  }
}

type Look = { heard: number; flipped: number }

async function look(world: FleetWorld, release: () => Promise<Push>): Promise<Look> {
  const heard = hear(world, 1)
  const push = await release()
  heard.wants(push.number)
  const [only] = await heard.all
  const hinted = push.startedAt + push.publishedMs
  return {
    heard: (only?.at ?? Number.NaN) - hinted,
    flipped: only?.report.timings['enforced'] ?? Number.NaN,
  }
}

function sampleOf(looks: readonly Look[]): Sample {
  const at = (part: number, of: (look: Look) => number) =>
    looks.map(of).sort((a, b) => a - b)[Math.ceil(looks.length * part) - 1] ?? Number.NaN
  return {
    p50_ms: at(0.5, ({ heard }) => heard),
    p99_ms: at(0.99, ({ heard }) => heard),
    node_p50_ms: at(0.5, ({ flipped }) => flipped),
    node_p99_ms: at(0.99, ({ flipped }) => flipped),
  }
}

class Agent {
  private readonly world: FleetWorld
  private readonly bpffs = join(mountBpffs(), `heddle-test-${process.pid}-fleet`)
  private readonly cgroup = join(findCgroup2() ?? '', `heddle-test-${process.pid}-fleet`)
  private process: ChildProcess | undefined

  constructor(world: FleetWorld) {
    this.world = world
    mkdirSync(this.cgroup)
    mkdirSync(this.bpffs)
  }

  start(): void {
    const { dir, place } = this.world
    const [file, workloads] = [join(dir, 'agent.json'), join(dir, 'real-workloads.json')]
    writeFileSync(workloads, JSON.stringify({ workloads: [WORKLOAD] }))
    const config = {
      ...{ schema: 'heddle.node/1', node: NODE, ring: place.ring, previousRing: null, store: place.store },
      ...{ stateDirectory: join(dir, 'real-state'), bpffs: this.bpffs, cgroup: this.cgroup, workloads },
      ...{ nats: { url: place.nats, seed: place.seedOf(NODE) }, root: place.root, pollMs: POLL_MS },
    }
    writeFileSync(file, JSON.stringify(config))
    this.process = spawn(process.execPath, [AGENT, '--config', file], {
      stdio: ['ignore', 'ignore', 'inherit'],
    })
  }

  async stop(): Promise<void> {
    const { process: child } = this
    if (child !== undefined && child.exitCode === null && child.signalCode === null) {
      const gone = once(child, 'exit')
      child.kill('SIGTERM')
      await gone
    }
    await createKernel({ bpffs: this.bpffs, cgroup: this.cgroup }).detach()
    rmdirSync(this.bpffs)
    await removeCgroup(this.cgroup)
  }
}
