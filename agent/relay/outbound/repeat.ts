/** May a request be said again, on another connection, after it came to nothing, and when? */
import { retryWait } from '../../../pipelines/policy/route-retry.ts'
import type { Retry } from '../../../pipelines/policy/route.ts'
import type { Forward } from './exchange-ports.ts'
import type { RequestHead } from './request-reader.ts'
import type { Budgeted } from './retry-budget.ts'

/** Connections that one request is tried on where its route says nothing: the pooled one, and two new ones. */
const MAX_TRIES = 3
/** RFC 9110 9.2.2: saying it twice is saying it once. */
const IDEMPOTENT = ['GET', 'HEAD', 'PUT', 'DELETE', 'OPTIONS', 'TRACE']

export type Sent = 'nothing' | 'head' | 'part' | 'all'

/** What a try came to: a status, no response before its upstream was lost, or none in the time it had. */
export type Came = number | 'lost' | 'late'

export class Tries {
  /** So far. */
  count = 0
  private readonly asked: RequestHead
  private readonly retry: Retry | undefined
  private readonly budgeted: Budgeted | undefined

  constructor(asked: RequestHead, { retry, budget }: Pick<Forward, 'retry' | 'budget'>) {
    this.asked = asked
    this.retry = retry
    this.budgeted = budget?.begin()
  }

  /** Nothing of the request is under way any more; may be said again. */
  over(): void {
    this.budgeted?.over()
  }

  /**
   * Milliseconds until the next one, which counts from then on; undefined = there is none. `sent`: of the request. `heard`: of a
   * response that the client has seen nothing final of.
   */
  wait(came: Came, sent: Sent, heard: boolean): number | 'over budget' | undefined {
    if (!this.repeatable(sent)) return undefined
    if (this.retry !== undefined) {
      const wait = retryWait(this.retry, this.count, typeof came === 'number' ? came : 'no response')
      const { budget } = this.retry
      const over = wait !== undefined && budget !== undefined && this.budgeted?.retry(budget) === false
      return over ? 'over budget' : wait
    }
    // A pooled connection may have ended before the request was there.
    return came === 'lost' && !heard && this.count < MAX_TRIES ? 0 : undefined
  }

  /** What left is not kept. */
  private repeatable(sent: Sent): boolean {
    const { method, body } = this.asked
    const bodySent = sent === 'part' || (sent === 'all' && body.framing !== 'none')
    return sent === 'nothing' || (!bodySent && IDEMPOTENT.includes(method))
  }
}
