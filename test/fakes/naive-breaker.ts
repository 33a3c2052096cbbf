/**
 * A second reading of what a circuit breaker is, from its description and not from pipelines/policy/breaker.ts:
 * nothing is kept but what has happened, and every answer goes through all of it again. One rule for all time.
 */
import type { Breaker, BreakerOutcome, BreakerRefusal } from '../../pipelines/policy/breaker.ts'

type Happened =
  | { what: 'admitted'; id: number; at: number }
  | { what: 'ended'; id: number; at: number; outcome: BreakerOutcome }

/** A time in which the breaker was one thing; requests belong to the one in which they were admitted. */
type Era = {
  kind: 'closed' | 'open' | 'half-open'
  begins: number
  /** Probes that succeeded in an era that this one goes on with. */
  kept: number
  admitted: Set<number>
  ended: { at: number; outcome: BreakerOutcome }[]
}

const newEra = (kind: Era['kind'], begins: number, kept = 0): Era => ({
  kind,
  begins,
  kept,
  admitted: new Set(),
  ended: [],
})
const told = ({ ended }: Era, outcome: BreakerOutcome) =>
  ended.filter((each) => each.outcome === outcome).length

export class NaiveBreaker {
  private readonly rule: Breaker
  private readonly history: Happened[] = []
  private ids = 0

  constructor(rule: Breaker) {
    this.rule = rule
  }

  admit(at: number): number | BreakerRefusal {
    const era = this.now()
    if (this.refuses(era, at)) return 'open'
    if (this.rule.maxInFlight !== undefined && this.flying() >= this.rule.maxInFlight) return 'in-flight'
    const id = this.ids++
    this.history.push({ what: 'admitted', id, at })
    return id
  }

  end(id: number, outcome: BreakerOutcome, at: number): Era['kind'] {
    this.history.push({ what: 'ended', id, at, outcome })
    return this.now().kind
  }

  private flying(): number {
    const ended = new Set(this.history.filter(({ what }) => what === 'ended').map(({ id }) => id))
    return this.history.filter(({ what, id }) => what === 'admitted' && !ended.has(id)).length
  }

  private refuses(era: Era, at: number): boolean {
    const over = at >= era.begins + this.rule.open
    if (era.kind === 'closed') return false
    return era.kind === 'open' ? !over : !this.hasRoom(era) && !over
  }

  /** Fewer have succeeded or are out than have to succeed. */
  private hasRoom(era: Era): boolean {
    const out = era.admitted.size - era.ended.length
    return era.kept + told(era, 'success') + out < this.rule.probes
  }

  private now(): Era {
    let era = newEra('closed', 0)
    for (const event of this.history) {
      if (event.what === 'admitted') {
        if (era.kind === 'open') era = newEra('half-open', event.at)
        else if (era.kind === 'half-open' && !this.hasRoom(era))
          era = newEra('half-open', event.at, era.kept + told(era, 'success'))
        era.admitted.add(event.id)
      } else if (era.admitted.has(event.id)) {
        era.ended.push(event)
        era = this.after(era, event.at)
      }
    }
    return era
  }

  private after(era: Era, at: number): Era {
    const last = era.ended.at(-1)?.outcome
    if (era.kind === 'half-open') {
      if (last === 'error') return newEra('open', at)
      return era.kept + told(era, 'success') >= this.rule.probes ? newEra('closed', at) : era
    }
    return last === 'error' && (this.tooManyInRow(era) || this.tooManyOfWindow(era, at))
      ? newEra('open', at)
      : era
  }

  private tooManyInRow({ ended }: Era): boolean {
    const heard = ended.filter(({ outcome }) => outcome !== 'untold')
    const good = heard.findLastIndex(({ outcome }) => outcome === 'success')
    const { consecutiveErrors } = this.rule
    return consecutiveErrors !== undefined && heard.length - 1 - good >= consecutiveErrors
  }

  private tooManyOfWindow({ ended }: Era, at: number): boolean {
    const { errorRate } = this.rule
    if (!errorRate) return false
    const slice = Math.ceil(errorRate.window / 8)
    const from = (Math.floor(at / slice) - 7) * slice
    const heard = ended.filter((each) => each.outcome !== 'untold' && each.at >= from)
    const errors = heard.filter(({ outcome }) => outcome === 'error').length
    return heard.length >= errorRate.minimumVolume && (100 * errors) / heard.length >= errorRate.percent
  }
}
