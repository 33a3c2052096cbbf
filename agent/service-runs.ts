/** Places in the map `members`: a service's endpoints stand in one run of it. Pure but for what it remembers. */
import { Limit } from '../bpf/abi/heddle.gen.ts'
import { Failure } from '../pipelines/contract/failures.ts'
import type { ServiceState } from './ports.ts'

/**
 * Milliseconds in which a reader may still use what it read before: a program is done in microseconds, the
 * relay walks a run in less than one pass of its event loop.
 */
export const REST_MS = 1_000

export type Run = { first: number; count: number }

/** What has lost its meaning rests before it gets another one. In memory: a restart takes longer than a reader. */
export type Resting = {
  runs: (Run & { until: number })[]
  /** Endpoint number -> since when no service has it. */
  endpoints: Map<number, number>
  /** Service number -> since when nobody asks for it. */
  services: Map<number, number>
}

export function nothingRests(): Resting {
  return { runs: [], endpoints: new Map(), services: new Map() }
}

/** Those that have rested. */
export function rested(since: ReadonlyMap<number, number>, now: number): number[] {
  return [...since].filter(([, at]) => now - at >= REST_MS).map(([number]) => number)
}

/** Numbers that are gone rest from when that was seen first; one that came back does not. */
export function restFrom(since: Map<number, number>, gone: ReadonlySet<number>, now: number): void {
  for (const number of since.keys()) if (!gone.has(number)) since.delete(number)
  for (const number of gone) if (!since.has(number)) since.set(number, now)
}

/** Free places between the runs of `services` and those that rest. */
export class Places {
  private readonly taken: Run[]

  constructor(services: Iterable<ServiceState>, resting: Resting, now: number) {
    resting.runs = resting.runs.filter(({ until }) => until > now)
    this.taken = [...services, ...resting.runs].filter(({ count }) => count > 0)
    this.taken.sort((a, b) => a.first - b.first)
  }

  /** The first of `count` free places. Throws Failure('limit-exceeded'). */
  take(count: number): number {
    let first = 0
    let index = 0
    for (; index < this.taken.length; index++) {
      const run = this.taken[index] as Run
      if (run.first - first >= count) break
      first = Math.max(first, run.first + run.count)
    }
    if (first + count > Limit.MAX_MEMBERS) {
      const message = `no ${count} places together for the endpoints of a service; the node has ${Limit.MAX_MEMBERS}`
      throw new Failure('limit-exceeded', message)
    }
    this.taken.splice(index, 0, { first, count })
    return first
  }
}
