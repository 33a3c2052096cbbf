/** The two loads: wrk for saturation, and an open loop (paced.c) for a fixed rate. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { z } from 'zod'
import { pathOf, requestHeads } from './rules.ts'

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
  /** That every answer has; of another one than 200 without a body. */
  status?: number
  /** Of wrk; one, when absent. */
  threads?: number
  /** Heads have an X-Client, of so many values; none, when absent. */
  clients?: number
}

const OK = 200
const answerOf = ({ status = OK, bytes }: Load) => ({ status, bytes: status === OK ? bytes : 0 })

const Result = z.strictObject({
  requests: z.number(),
  duration_us: z.number(),
  p50_us: z.number(),
  p99_us: z.number(),
})
/** `failed`: answers of 400 and more. */
const WrkResult = Result.extend({ broken: z.number(), failed: z.number() })
const PacedResult = Result.extend({ since_sent_p99_us: z.number(), late_p99_us: z.number() })

/** wrk calls `request` for every request; the bytes are made once. */
function script({ bytes, clients }: Load): string {
  const heads = requestHeads(bytes, clients).map((head) => JSON.stringify(head))
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
    '\\nRESULT {"requests":%d,"duration_us":%d,"p50_us":%d,"p99_us":%d,"broken":%d,"failed":%d}\\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    e.connect + e.read + e.write + e.timeout, e.status))
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

/**
 * As many requests as it gets answers for. Throws when a single one failed that should not, or the other way
 * round: a number of a broken run is no number. wrk does not tell one status below 400 from another.
 */
export async function saturate(load: Load): Promise<z.infer<typeof Result>> {
  const file = join(load.dir, 'load.lua')
  writeFileSync(file, script(load))
  const { connections, seconds, threads = 1, url } = load
  const options = [`-t${threads}`, `-c${connections}`, `-d${seconds}s`, '--timeout', '5s', '-s', file, url]
  const stdout = await runInPlace(load, ['wrk', ...options])
  const { broken, failed, ...result } = WrkResult.parse(
    JSON.parse(/^RESULT (.*)$/m.exec(stdout)?.[1] ?? 'null'),
  )
  const { status } = answerOf(load)
  const wrong = broken + (status < 400 ? failed : result.requests - failed)
  if (wrong > 0)
    throw new Error(`${wrong} of ${result.requests} requests to ${url} did not get ${status}:\n${stdout}`)
  return result
}

/** The status of one request that a route is there for, on a connection of its own. */
export async function askOnce(load: Load): Promise<number> {
  const ask = `fetch(${JSON.stringify(`${load.url}${pathOf(1).example}`)}, { redirect: 'manual' }).then(({ status }) => console.log(status))`
  return Number(await runInPlace(load, [process.execPath, '-e', ask]))
}

/** A load of a fixed number of requests a second; 0 = as many as it gets answers for. */
export type Pace = (load: Load, rate: number) => Promise<z.infer<typeof PacedResult>>

/** Compiles the open loop into `dir`; the result is the program. */
export async function compilePaced(dir: string): Promise<string> {
  const program = join(dir, 'paced')
  await execa('clang-22', ['-std=gnu11', '-O2', '-Wall', '-Wextra', '-Werror', '-o', program, SOURCE])
  return program
}

/** Its runs throw at the first answer that isn't the one of `status` and `bytes` that was asked for. */
export function paceWith(program: string): Pace {
  return async (load, rate) => {
    const file = join(load.dir, 'heads')
    writeFileSync(file, requestHeads(load.bytes, load.clients).join(''))
    const { hostname, port } = new URL(load.url)
    // A URL says nothing of the usual port.
    const to = [hostname, port === '' ? '80' : port]
    const { status, bytes } = answerOf(load)
    const numbers = [load.connections, status, bytes, rate, load.seconds * 1000].map(String)
    return PacedResult.parse(JSON.parse(await runInPlace(load, [program, ...to, file, ...numbers])))
  }
}
