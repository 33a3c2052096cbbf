/**
 * CPU time, in microseconds. Two ways to see it, as neither sees all: a cgroup
 * knows its own processes exactly and nothing of softirqs that ran in
 * ksoftirqd; the machine knows everything, also what isn't ours.
 */
import { readFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/** USER_HZ is 100 on every architecture that Heddle runs on. */
const MICROSECONDS_PER_TICK = 10_000

/** Fields of the line `cpu` of /proc/stat, proc(5). */
const FIELD = { idle: 4, iowait: 5, softirq: 7, steal: 8 }

function machineMicroseconds(...fields: (keyof typeof FIELD)[]): number {
  const line = readFileSync('/proc/stat', 'utf8').split('\n')[0]?.split(/ +/) ?? []
  return fields.reduce((sum, field) => sum + Number(line[FIELD[field]]), 0) * MICROSECONDS_PER_TICK
}

/** User and system time of all processes that are or were in the cgroup and below. */
function cgroupMicroseconds(cgroup: string): number {
  return Number(/^usage_usec (\d+)$/m.exec(readFileSync(join(cgroup, 'cpu.stat'), 'utf8'))?.[1])
}

/** The cgroup's processes, and the softirqs of the whole machine. */
export function servingMicroseconds(cgroup: string): number {
  return cgroupMicroseconds(cgroup) + machineMicroseconds('softirq')
}

/**
 * Starts a meter of the whole machine; calling it says what was spent since: what was neither idle nor
 * stolen by the hypervisor, as a kernel without ticks on idle CPUs counts idle time exactly, busy time by samples.
 */
function startMachineMeter(): () => { machine: number; elapsed: number } {
  const read = () => ({
    rest: machineMicroseconds('idle', 'iowait', 'steal'),
    clock: performance.now() * 1000,
  })
  const before = read()
  return () => {
    const after = read()
    const elapsed = after.clock - before.clock
    return { machine: elapsed * cpus().length - (after.rest - before.rest), elapsed }
  }
}

export type Spent = { machine: number; cgroup: number; load: number; elapsed: number }

/** The same, and of it what two cgroups spent: `cgroup` has all of a case in it, `load` below it the load. */
export function startMeter(cgroup: string, load: string): () => Spent {
  const read = () => ({ cgroup: cgroupMicroseconds(cgroup), load: cgroupMicroseconds(load) })
  const before = read()
  const stop = startMachineMeter()
  return () => {
    const after = read()
    return { ...stop(), cgroup: after.cgroup - before.cgroup, load: after.load - before.load }
  }
}

/** CPUs' worth of work that the machine does in the next `ms`. */
export async function cpusBusy(ms: number): Promise<number> {
  const stop = startMachineMeter()
  await sleep(ms)
  const { machine, elapsed } = stop()
  return machine / elapsed
}

/** User and system time of a process so far, in milliseconds. */
export function processMilliseconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return ((Number(fields[11]) + Number(fields[12])) * MICROSECONDS_PER_TICK) / 1000
}
