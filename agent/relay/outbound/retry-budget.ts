/**
 * How many requests to one service may be in their retries at a time: a service that fails is not to get more
 * requests because it does. As Envoy counts (cluster.CircuitBreakers.Thresholds.RetryBudget): a part of the
 * requests that are under way, and some where there are few.
 */
import { type RetryBudget as Bounds, WHOLE } from '../../../pipelines/policy/route.ts'

/** One request of it. */
export interface Budgeted {
  /** May it be sent again? From then on it counts as one that is. */
  retry(bounds: Bounds): boolean
  over(): void
}

export class RetryBudget {
  private requests = 0
  private retrying = 0

  /** Is nobody under way? */
  get idle(): boolean {
    return this.requests === 0
  }

  begin(): Budgeted {
    let counted = false
    let ended = false
    this.requests++
    return {
      retry: ({ percent, least }) => {
        if (counted) return true
        if (this.retrying >= Math.max(least, Math.floor((this.requests * percent) / WHOLE))) return false
        this.retrying++
        counted = true
        return true
      },
      over: () => {
        if (ended) return
        ended = true
        this.requests--
        if (counted) this.retrying--
      },
    }
  }
}

/** By the live number of a service; those that nobody asks are forgotten. */
export class RetryBudgets {
  private readonly budgets = new Map<number, RetryBudget>()

  of(service: number): RetryBudget {
    const known = this.budgets.get(service)
    if (known !== undefined) return known
    for (const [number, budget] of this.budgets) if (budget.idle) this.budgets.delete(number)
    const made = new RetryBudget()
    this.budgets.set(service, made)
    return made
  }
}
