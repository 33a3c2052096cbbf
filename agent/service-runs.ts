/** Places in the maps `members` and `spots`: what is a service's stands in one run of each. Pure but for what it remembers. */
import { Failure } from '../pipelines/contract/failures.ts'

/**
 * Milliseconds in which a reader may still use what it read before: a program is done in microseconds, the
 * relay walks a run in less than one pass of its event loop.
 */
export const REST_MS = 1_000

export type Run = { first: number; count: number }

type RestingRun = Run & { until: number }

/** What has lost its meaning rests before it gets another one. In memory: a restart takes longer than a reader. */
export type Resting = {
  runs: RestingRun[]
  /** Of `spots`. */
  tables: RestingRun[]
  /** Endpoint number -> since when no service has it. */
  endpoints: Map<number, number>
  /** Service number -> since when nobody asks for it. */
  services: Map<number, number>
}

export function nothingRests(): Resting {
  return { runs: [], tables: [], endpoints: new Map(), services: new Map() }
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

/** Free places between the runs that are used and those that rest. */
export class Places {
  private readonly taken: Run[]
  private readonly room: number

  /** `room`: places of the map. */
  constructor(used: Iterable<Run>, resting: readonly RestingRun[], now: number, room: number) {
    this.room = room
    this.taken = [...used, ...resting.filter(({ until }) => until > now)].filter(({ count }) => count > 0)
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
    if (first + count > this.room) {
      const message = `no ${count} places together for the endpoints of a service; the node has ${this.room}`
      throw new Failure('limit-exceeded', message)
    }
    this.taken.splice(index, 0, { first, count })
    return first
  }
}
