/** The change of hands of a client's connection between kernel and relay. */
import type { KernelAsk } from './kernel-ask.ts'
import type { Turn } from './ports.ts'

/** Milliseconds after which it is asked again: the event may have been lost to a full ring. */
const ASK_AGAIN_MS = 250

export class Turns {
  private readonly ask: KernelAsk
  private readonly waiting = new Map<bigint, () => void>()

  constructor(ask: KernelAsk) {
    this.ask = ask
  }

  turn(cookie: bigint): Turn {
    return {
      begin: () => this.begin(cookie),
      offer: (read, written) => void this.ask.offer(cookie, read, written),
      reclaim: () => void this.ask.begin(cookie),
    }
  }

  /** EVENT_TURN: what a client waited for is complete. */
  come(cookie: bigint): void {
    this.waiting.get(cookie)?.()
  }

  private async begin(cookie: bigint): Promise<void> {
    while (this.ask.begin(cookie)) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, ASK_AGAIN_MS)
        this.waiting.set(cookie, () => {
          clearTimeout(timer)
          resolve()
        })
      })
      this.waiting.delete(cookie)
    }
  }
}
