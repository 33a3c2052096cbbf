/**
 * Requests that write begin some time after each other. In the shape of the groups of plugin-throttling,
 * whose own are one for all clients of a process.
 */
import { setTimeout as sleep } from 'node:timers/promises'

type Job<T> = (...given: unknown[]) => Promise<T>

export function pace(everyMs: number) {
  let last: Promise<unknown> = Promise.resolve()
  let next = 0
  const limiter = {
    /** `options` are bottleneck's: there is one queue here, and no priorities. */
    schedule<T>(_options: object, job: Job<T>, ...given: unknown[]): Promise<T> {
      const turn = last.then(async () => {
        const wait = next - performance.now()
        if (wait > 0) await sleep(wait)
        next = performance.now() + everyMs
      })
      last = turn
      return turn.then(() => job(...given))
    },
  }
  return { key: () => limiter }
}
