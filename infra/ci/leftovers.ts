/**
 * What a run of tests left on the machine. Everything that Heddle makes there
 * has a telling name; what was there before is not this run's, nor is what
 * belongs to processes that this run did not start (another run beside it).
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { findCgroup2 } from '../local/cgroup.ts'

/** Every process of a run inherits it, so that it can be told from others'. */
export const RUN_MARK = 'HEDDLE_TEST_RUN'

/** `process 17 nginx …` or `cgroup hdl-ab12`. `stack` is `hdl-<id>`, `maker` the pid in the name. */
export type Thing = { text: string; stack?: string; maker?: number }

export type Machine = {
  things: Thing[]
  /** Stacks that have a living process which is not of this run. */
  foreign: Set<string>
  living: Set<number>
}

const names = (folder: string) => (existsSync(folder) ? readdirSync(folder) : [])
const STACK = /(?:^|\/)(hdl-[^-/ ]+)/
const MADE_BY = /^heddle-test-(\d+)/

function thing(kind: string, name: string): Thing[] {
  const stack = STACK.exec(name)?.[1]
  const maker = MADE_BY.exec(name)?.[1]
  if (stack === undefined && maker === undefined) return []
  return [
    {
      text: `${kind} ${name}`,
      ...(stack === undefined ? {} : { stack }),
      ...(maker === undefined ? {} : { maker: Number(maker) }),
    },
  ]
}

function procs(cgroup: string): number[] {
  const entries = readdirSync(cgroup, { withFileTypes: true }).filter((entry) => entry.isDirectory())
  const own = readFileSync(join(cgroup, 'cgroup.procs'), 'utf8').split('\n').filter(Boolean).map(Number)
  return [...own, ...entries.flatMap((entry) => procs(join(cgroup, entry.name)))]
}

/** A process may end while it is looked at. */
function orElse<T>(read: () => T, other: T): T {
  try {
    return read()
  } catch {
    return other
  }
}

/** The machine as it is now, to the processes that carry `mark`. */
export function lookAround(mark: string): Machine {
  const living = names('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
  const marked = new Set(
    living.filter((pid) => {
      const environment = orElse(() => readFileSync(`/proc/${pid}/environ`, 'latin1'), '')
      return pid !== process.pid && environment.split('\0').includes(`${RUN_MARK}=${mark}`)
    }),
  )
  const root = findCgroup2() ?? '/sys/fs/cgroup'
  const stacks = names(root).filter((name) => STACK.test(name))
  const isForeign = (name: string) =>
    orElse(() => procs(join(root, name)), []).some((pid) => !marked.has(pid))
  const mounts = readFileSync('/proc/self/mounts', 'utf8').split('\n')
  return {
    living: new Set(living),
    foreign: new Set(stacks.filter(isForeign)),
    things: [
      ...names('/run/netns').flatMap((name) => thing('network namespace', name)),
      ...names(root).flatMap((name) => thing('cgroup', name)),
      ...names('/sys/fs/bpf').flatMap((name) => thing('pins /sys/fs/bpf/', name)),
      ...names('/run').flatMap((name) => thing('directory /run/', name)),
      ...mounts
        .map((line) => line.split(' ')[1] ?? '')
        .filter((path) => path.startsWith('/run/hdl-'))
        .flatMap((path) => thing('mount', path)),
      ...[...marked].map((pid) => ({ text: `process ${pid} ${commandOf(pid)}` })),
    ],
  }
}

function commandOf(pid: number): string {
  const line = orElse(() => readFileSync(`/proc/${pid}/cmdline`, 'utf8'), '')
  return line.replaceAll('\0', ' ').trim()
}

/** What is there after the run and was not before, in words. */
export function leftBehind(before: Machine, after: Machine): string[] {
  const known = new Set(before.things.map(({ text }) => text))
  const isOthers = ({ stack, maker }: Thing) =>
    (stack !== undefined && after.foreign.has(stack)) || (maker !== undefined && after.living.has(maker))
  return after.things.filter((each) => !known.has(each.text) && !isOthers(each)).map(({ text }) => text)
}
