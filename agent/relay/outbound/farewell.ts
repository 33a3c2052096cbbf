/** All is said to a client: an end, and the time to read it. */
import type { Wire } from './wire.ts'

/** Milliseconds in which a client reads the last answer, and is read in turn: unread bytes would reset it. */
const LINGER_MS = 5_000
/** The same where the relay's own time is over. */
const LAST_LINGER_MS = 500

export class Farewell {
  private readonly client: Wire
  private ms = LINGER_MS
  private timer: NodeJS.Timeout | undefined

  constructor(client: Wire) {
    this.client = client
  }

  /** The relay stops: there is less time. */
  hurry(): void {
    this.ms = LAST_LINGER_MS
  }

  say(): void {
    this.client.end()
    this.client.resume()
    this.timer = setTimeout(() => this.client.destroy(), this.ms)
  }

  over(): void {
    clearTimeout(this.timer)
  }
}
