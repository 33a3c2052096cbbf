/** The two loads, one thread each: wrk for saturation, and an open loop (paced.c) for a fixed rate. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { z } from 'zod'
import { requestHeads } from './rules.ts'

const SOURCE = fileURLToPath(new URL('../../../test/bench/paced.c', import.meta.url))

export type Load = {
  dir: string
  /** Where the load runs. `cgroup` and `cpus`: where this process is, when absent. */
  namespace: string
  cgroup?: string
  cpus?: string
  url: string
  connections: number
  bytes: number
  seconds: number
}

const Result = z.strictObject({
  requests: z.number(),
  duration_us: z.number(),
  p50_us: z.number(),
  p99_us: z.number(),
})
const WrkResult = Result.extend({ errors: z.number() })
const PacedResult = Result.extend({ since_sent_p99_us: z.number(), late_p99_us: z.number() })

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

/** What it wrote to stdout. It is in its cgroup before it runs an instruction of its own, and ends with us. */
async function runInPlace(load: Load, command: string[]): Promise<string> {
  const pin = load.cpus === undefined ? [] : ['taskset', '-c', load.cpus]
  const enter = ['setpriv', '--pdeathsig', 'KILL', 'nsenter', `--net=/run/netns/${load.namespace}`]
  const join = load.cgroup === undefined ? 'exec "$@"' : 'echo $$ > "$0/cgroup.procs" && exec "$@"'
  const { stdout } = await execa('sh', ['-c', join, load.cgroup ?? '', ...enter, ...pin, ...command])
  return stdout
}

/** As many requests as it gets answers for. Throws when a single one failed: a number of a broken run is no number. */
export async function saturate(load: Load): Promise<z.infer<typeof Result>> {
  const file = join(load.dir, 'load.lua')
  writeFileSync(file, script(load.bytes))
  const options = [`-c${load.connections}`, `-d${load.seconds}s`, '--timeout', '5s', '-s', file, load.url]
  const stdout = await runInPlace(load, ['wrk', '-t1', ...options])
  const { errors, ...result } = WrkResult.parse(JSON.parse(/^RESULT (.*)$/m.exec(stdout)?.[1] ?? 'null'))
  if (errors > 0)
    throw new Error(`${errors} of ${result.requests} requests to ${load.url} failed:\n${stdout}`)
  return result
}

/** A load of a fixed number of requests a second; 0 = as many as it gets answers for. */
export type Pace = (load: Load, rate: number) => Promise<z.infer<typeof PacedResult>>

/** Compiles the open loop into `dir`; the result is the program. */
export async function compilePaced(dir: string): Promise<string> {
  const program = join(dir, 'paced')
  await execa('clang-22', ['-std=gnu11', '-O2', '-Wall', '-Wextra', '-Werror', '-o', program, SOURCE])
  return program
}

/** Its runs throw at the first answer that isn't the 200 of `bytes` that was asked for. */
export function paceWith(program: string): Pace {
  return async (load, rate) => {
    const file = join(load.dir, 'heads')
    writeFileSync(file, requestHeads(load.bytes).join(''))
    const { hostname, port } = new URL(load.url)
    // A URL says nothing of the usual port.
    const to = [hostname, port === '' ? '80' : port]
    const numbers = [load.connections, load.bytes, rate, load.seconds * 1000].map(String)
    return PacedResult.parse(JSON.parse(await runInPlace(load, [program, ...to, file, ...numbers])))
  }
}
