/**
 * Others use the machine too. Between two samples nothing of a suite runs, so
 * that whatever is busy then is somebody else's: a sample is taken when the
 * machine is at rest, and again when it isn't so right after. What decides is
 * never the number itself.
 */

/** CPUs' worth of work below which the machine is at rest: kernel threads and an editor, not a compiler. */
const AT_REST_CPUS = 0.2
/** A sample that was disturbed is taken again so many times; then it counts as it is. */
const REPEATS = 3
/** For the whole run: on a machine that is never at rest, numbers with a warning are better than none. */
const PATIENCE_MS = 300_000

export type Quiet = {
  take<T>(sample: () => Promise<T>): Promise<T>
  /** `disturbed`: samples that count and were taken, or followed, by somebody else's work. */
  told(): { waited_seconds: number; repeated: number; disturbed: number }
}

/** `busy` looks at the machine for `windowMs` and resolves with the CPUs' worth of work that it did. */
export function whenQuiet(busy: () => Promise<number>, windowMs: number): Quiet {
  let waitedMs = 0
  let repeated = 0
  let disturbed = 0
  const isAtRest = async () => (await busy()) < AT_REST_CPUS
  const waitForRest = async () => {
    while (!(await isAtRest())) {
      if (waitedMs >= PATIENCE_MS) return false
      waitedMs += windowMs
    }
    return true
  }
  const take = async <T>(sample: () => Promise<T>): Promise<T> => {
    for (let time = 0; ; time++) {
      const began = await waitForRest()
      const result = await sample()
      if (began && (await isAtRest())) return result
      if (!began || time === REPEATS) {
        disturbed++
        return result
      }
      repeated++
    }
  }
  return { take, told: () => ({ waited_seconds: waitedMs / 1000, repeated, disturbed }) }
}
