/**
 * A report is a plain message, and nobody acknowledges it: the server that took it may be cut off from the
 * functions. So what a node said last is said again, at each connect and after pauses that grow, until
 * something newer takes its place. Who has heard it knows it by its time and sequence.
 */
import type { Report } from '../../pipelines/contract/release.ts'

/** Milliseconds until a new fact is repeated, and the longest pause that doubling makes of it. */
const REPEAT_MS = 2_000
const MAX_REPEAT_MS = 300_000

export class RepeatedReport {
  readonly #send: (report: Report) => Promise<void>
  #last: Report | undefined
  #pause = REPEAT_MS
  #timer: NodeJS.Timeout | undefined

  /** `send` may fail; then the next time comes. */
  constructor(send: (report: Report) => Promise<void>) {
    this.#send = send
  }

  /** From now on this is repeated. Another fact begins with a short pause; the same one goes on as it was. */
  keep(report: Report): void {
    const fresh = this.#last === undefined || factOf(this.#last) !== factOf(report)
    this.#last = report
    if (!fresh) return
    this.#pause = REPEAT_MS
    this.#schedule()
  }

  /** At once. */
  again(): void {
    if (this.#last !== undefined) this.#send(this.#last).catch(() => {})
  }

  end(): void {
    clearTimeout(this.#timer)
    this.#last = undefined
  }

  #schedule(): void {
    clearTimeout(this.#timer)
    // Chance: a fleet that took a release together must not repeat itself together.
    this.#timer = setTimeout(
      () => {
        this.again()
        this.#pause = Math.min(this.#pause * 2, MAX_REPEAT_MS)
        this.#schedule()
      },
      this.#pause * (1 - Math.random() / 2),
    )
    this.#timer.unref()
  }
}

/** Enforced first, unchanged from then on: the same fact. What it took is not. */
function factOf({ outcome, number, artifact, generation, failure }: Report): string {
  const now = outcome === 'unchanged' ? 'enforced' : outcome
  return JSON.stringify([now, number, artifact, generation, failure?.code])
}
