/** The relay of one node of a benchmark, as it runs on a real one: a process beside the managed cgroup. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { RelayConfig } from '../../agent/relay/config.ts'
import { launch, type Running } from '../../infra/local/process.ts'
import type { Workload } from '../../pipelines/policy/model.ts'
import type { Spot } from './programs.ts'

const RELAY = fileURLToPath(new URL('../../agent/relay/main.js', import.meta.url))

/** `spot.cgroup`: where it runs. `managed`: whose sockets it looks after. */
export type RelayPlace = { spot: Spot; bpffs: string; managed: string }

/** `stats`: the unix socket that it answers at, once it runs. */
export function startRelay(
  { spot, bpffs, managed }: RelayPlace,
  workloads: readonly Workload[],
): { running: Running; stats: string } {
  const at = (name: string) => join(spot.dir, name)
  mkdirSync(spot.dir, { recursive: true })
  writeFileSync(at('workloads.json'), JSON.stringify({ workloads }))
  const config = RelayConfig.parse({
    schema: 'heddle.relay/1',
    node: 'bench',
    bpffs,
    cgroup: managed,
    workloads: at('workloads.json'),
    stats: at('relay.sock'),
  })
  writeFileSync(at('relay.json'), JSON.stringify(config))
  const pin = spot.cpus === undefined ? [] : ['taskset', '-c', spot.cpus]
  const running = launch({
    name: 'relay',
    command: [...pin, process.execPath, RELAY, '--config', at('relay.json')],
    cgroup: spot.cgroup,
    namespace: spot.namespace,
    log: at('relay.log'),
  })
  return { running, stats: config.stats }
}
