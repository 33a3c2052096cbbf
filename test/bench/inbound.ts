/**
 * Suite `inbound`: one load thread, one nginx worker, 600-byte heads, and what
 * stands between them. Every server is up all the time and cases take turns in
 * every round, so that a slow minute of the machine meets all of them.
 */
import { join } from 'node:path'
import { execa } from 'execa'
import { type Foundation, layFoundation } from '../../infra/local/foundation.ts'
import type { PolicySet } from '../../pipelines/policy/model.ts'
import { type Lane, nameOf } from './cases.ts'
import { servingMicroseconds } from './cpu.ts'
import { saturate } from './load.ts'
import { residentMegabytes } from './memory.ts'
import { mixedRules } from './rules.ts'
import { type Front, ORIGIN_PORT, type Server, startServer } from './servers.ts'
import type { Sample } from './statistics.ts'

export type Rounds = {
  rounds: number
  seconds: number
  only: RegExp | undefined
  say: (line: string) => void
}

/** Brings the kernel of one server's namespace and cgroup under a policy set; resolves when it is enforced. */
export type Enforce = (server: Server, policies: PolicySet) => Promise<void>

const MIXED_RULES = 1000
const LANES: readonly Lane[] = ['direct', 'heddle', 'nginx', 'haproxy'].flatMap((front) => [
  { front, connections: 1, bytes: 1024 },
  { front, connections: 16, bytes: 1024 },
  { front, connections: 64, bytes: 1024 },
  { front, connections: 64, bytes: 65536 },
])
const RULE_LANES: readonly Lane[] = [10, 1000, 10000].map((rules) => ({
  front: `heddle-rules-${rules}`,
  connections: 64,
  bytes: 1024,
}))

/** Rules that stand before a server of this name; undefined = no Heddle. */
function rulesOf(front: string): number | undefined {
  if (front === 'heddle') return MIXED_RULES
  return front.startsWith('heddle-rules-') ? Number(front.slice('heddle-rules-'.length)) : undefined
}

async function startFront(
  stack: Foundation,
  front: string,
  index: number,
  enforce: Enforce,
): Promise<Server> {
  const host = stack.nodes[index]
  if (host === undefined) throw new Error(`no node for ${front}`)
  const dir = join(stack.dir, 'nodes', front)
  const bpffs = stack.mountBpffs(front)
  const cgroup = join(stack.cgroup, front)
  const kind: Front = front === 'nginx' || front === 'haproxy' ? front : 'nothing'
  const server = await startServer({ host, dir, bpffs, cgroup, managed: join(cgroup, 'workload') }, kind)
  const rules = rulesOf(front)
  if (rules !== undefined) {
    await enforce(server, mixedRules(rules, ORIGIN_PORT))
    await expectRefusal(stack.client.namespace, server.url)
  }
  return server
}

/** A number for Heddle means something only where Heddle judges: what no rule allows must get 403. */
async function expectRefusal(namespace: string, url: string): Promise<void> {
  const ask = `fetch(${JSON.stringify(`${url}/no/rule`)}).then((reply) => console.log(reply.status))`
  const { stdout } = await execa('nsenter', [`--net=/run/netns/${namespace}`, process.execPath, '-e', ask])
  if (stdout !== '403') throw new Error(`${url} answers ${stdout} to what no rule allows`)
}

/** What the serving side spent, and what it holds. */
async function measure(
  stack: Foundation,
  server: Server,
  { connections, bytes }: Lane,
  seconds: number,
): Promise<Sample> {
  const where = { dir: stack.dir, namespace: stack.client.namespace, url: server.url }
  const before = servingMicroseconds(server.cgroup)
  const result = await saturate({ ...where, connections, bytes, seconds })
  const spent = servingMicroseconds(server.cgroup) - before
  return {
    requests_per_second: (result.requests / result.duration_us) * 1e6,
    p50_us: result.p50_us,
    p99_us: result.p99_us,
    cpu_us_per_request: spent / result.requests,
    rss_mb: residentMegabytes(server.cgroup),
  }
}

export async function inbound(
  dir: string,
  enforce: Enforce,
  { rounds, seconds, only, say }: Rounds,
): Promise<Map<string, Sample[]>> {
  const lanes = [...LANES, ...RULE_LANES].filter((lane) => only?.test(nameOf(lane)) ?? true)
  const fronts = [...new Set(lanes.map((lane) => lane.front))]
  const samples = new Map<string, Sample[]>(lanes.map((lane) => [nameOf(lane), []]))
  const stack = await layFoundation(dir, fronts.length)
  try {
    const servers = new Map<string, Server>()
    for (const [index, front] of fronts.entries())
      servers.set(front, await startFront(stack, front, index, enforce))
    for (let round = 0; round < rounds; round++) {
      for (const lane of lanes) {
        const server = servers.get(lane.front) as Server
        const sample = await measure(stack, server, lane, seconds)
        samples.get(nameOf(lane))?.push(sample)
        say(
          `round ${round + 1}/${rounds} ${nameOf(lane)} ${Math.round(sample.requests_per_second ?? 0)} requests/s`,
        )
      }
    }
  } finally {
    await stack.down()
  }
  return samples
}
