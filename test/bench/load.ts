/** One run of wrk, one thread, and what the serving side spent meanwhile. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { execa } from 'execa'
import { z } from 'zod'
import { requestHeads } from './rules.ts'
import type { Sample } from './statistics.ts'

export type Run = {
  dir: string
  /** Namespace of the load. */
  namespace: string
  url: string
  connections: number
  bytes: number
  seconds: number
  /** Everything on the serving side lives in this cgroup: the server, and what stands in front. */
  cgroup: string
}

const Wrk = z.strictObject({
  requests: z.number(),
  duration_us: z.number(),
  p50_us: z.number(),
  p99_us: z.number(),
  errors: z.number(),
})

/** wrk calls `request` for every request; the bytes are made once. */
function script(bytes: number): string {
  const heads = requestHeads(bytes).map((head) => JSON.stringify(head))
  return `
local heads = { ${heads.join(', ')} }
local next = 0
request = function()
  next = next % #heads + 1
  return heads[next]
end
done = function(summary, latency)
  local e = summary.errors
  io.write(string.format(
    '\\nRESULT {"requests":%d,"duration_us":%d,"p50_us":%d,"p99_us":%d,"errors":%d}\\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    e.connect + e.read + e.write + e.status + e.timeout))
end
`
}

/** Microseconds of CPU: the cgroup's processes (cpu.stat), and softirq of the whole machine (/proc/stat). */
function cpuMicroseconds(cgroup: string): number {
  const usage = /^usage_usec (\d+)$/m.exec(readFileSync(join(cgroup, 'cpu.stat'), 'utf8'))?.[1]
  const ticks = readFileSync('/proc/stat', 'utf8').split('\n')[0]?.split(/ +/)[7]
  return Number(usage) + Number(ticks) * MICROSECONDS_PER_TICK
}

/** USER_HZ is 100 on every architecture that Heddle runs on. */
const MICROSECONDS_PER_TICK = 10_000

/** Resident memory of all processes of a cgroup and below, in MB. */
function residentMegabytes(cgroup: string): number {
  const folders = readdirSync(cgroup, { recursive: true, withFileTypes: true, encoding: 'utf8' })
  const below = folders
    .filter((entry) => entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name))
  const pids = [cgroup, ...below].flatMap((folder) =>
    readFileSync(join(folder, 'cgroup.procs'), 'utf8').split('\n').filter(Boolean),
  )
  const kilobytes = pids.map((pid) => {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0)
  })
  return kilobytes.reduce((sum, each) => sum + each, 0) / 1024
}

/** Throws when a single request failed: a number of a broken run is no number. */
export async function measure(run: Run): Promise<Sample> {
  const file = join(run.dir, 'load.lua')
  writeFileSync(file, script(run.bytes))
  const load = ['-t1', `-c${run.connections}`, `-d${run.seconds}s`, '--timeout', '5s', '-s', file, run.url]
  const before = cpuMicroseconds(run.cgroup)
  const { stdout } = await execa('nsenter', [`--net=/run/netns/${run.namespace}`, 'wrk', ...load])
  const spent = cpuMicroseconds(run.cgroup) - before
  const result = Wrk.parse(JSON.parse(/^RESULT (.*)$/m.exec(stdout)?.[1] ?? 'null'))
  if (result.errors > 0)
    throw new Error(`${result.errors} of ${result.requests} requests to ${run.url} failed:\n${stdout}`)
  return {
    requests_per_second: (result.requests / result.duration_us) * 1e6,
    p50_us: result.p50_us,
    p99_us: result.p99_us,
    cpu_us_per_request: spent / result.requests,
    rss_mb: residentMegabytes(run.cgroup),
  }
}
