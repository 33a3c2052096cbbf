/** What may come too late for a request: its response, that of one endpoint, its next byte, and the next try. */

/** Milliseconds; a timer of Node's that is longer fires at once. */
const LONGEST_MS = 2 ** 31 - 1

type Kind = 'request' | 'backend' | 'idle' | 'next'

export class ExchangeTimers {
  private readonly timers = new Map<Kind, NodeJS.Timeout>()

  /** Instead of the one of that kind; 0 = none. */
  set(kind: Kind, ms: number, act: () => void): void {
    clearTimeout(this.timers.get(kind))
    if (ms > 0) this.timers.set(kind, setTimeout(act, Math.min(ms, LONGEST_MS)))
  }

  /** The next try, in `ms`: nothing is under way at an endpoint until then. */
  next(ms: number, act: () => void): void {
    clearTimeout(this.timers.get('backend'))
    clearTimeout(this.timers.get('idle'))
    if (ms === 0) act()
    else this.set('next', ms, act)
  }

  stop(): void {
    for (const timer of this.timers.values()) clearTimeout(timer)
  }
}
