/** When to reconcile: at once, on a hint, on a jittered timer; one at a time. */

/** Injected so that a test turns the clock itself. */
export type Timer = {
  /** Call once after so many milliseconds; the result cancels. */
  after(milliseconds: number, call: () => void): () => void
  elapsed(): number
  /** 0 <= value < 1. */
  random(): number
}

export type Loop = {
  /** Something may be new. While a pass runs, any number of hints make one more pass. */
  wake(): void
  /** Ends after the pass that runs now. */
  stop(): Promise<void>
}

/**
 * Jitter spreads a fleet's polls: without it, all nodes that started together
 * would ask the store together for ever. `beat` is called between passes.
 */
export function startLoop(
  timer: Timer,
  every: { intervalMs: number; jitter: number },
  pass: (wokenAt: number) => Promise<void>,
  beat?: { everyMs: number; call(): Promise<void> },
): Loop {
  let wokenAt: number | undefined
  let running: Promise<void> | undefined
  let cancel = () => {}
  let cancelBeat = () => {}
  let stopped = false

  const wake = () => {
    if (stopped) return
    wokenAt ??= timer.elapsed()
    running ??= work()
  }
  const work = async () => {
    while (wokenAt !== undefined && !stopped) {
      const at = wokenAt
      wokenAt = undefined
      cancel()
      cancelBeat()
      await pass(at)
    }
    // In the same breath as the loop's end: a hint that comes now starts a new pass.
    running = undefined
    const spread = 1 + every.jitter * (2 * timer.random() - 1)
    if (stopped) return
    cancel = timer.after(every.intervalMs * spread, wake)
    waitForBeat()
  }
  /** Between two passes; a hint that comes meanwhile has its pass behind it. */
  const sayAgain = async () => {
    await beat?.call()
    running = undefined
    if (stopped) return
    if (wokenAt === undefined) waitForBeat()
    else running = work()
  }
  const waitForBeat = () => {
    if (beat === undefined) return
    cancelBeat = timer.after(beat.everyMs, () => {
      running ??= sayAgain()
    })
  }
  wake()
  return {
    wake,
    async stop() {
      stopped = true
      cancel()
      cancelBeat()
      await running
    },
  }
}
