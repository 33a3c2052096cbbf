/**
 * Circuit breakers of services, as the relay meets them: the kernel's own (struct heddle_breaker), asked and told
 * by its program `relay_break` with the rule of the generation that is active. Where a dispatcher is older
 * than breakers there is none to ask: requests pass.
 */
import { existsSync } from 'node:fs'
import {
  BreakerAnswer,
  BreakerLayout,
  BreakerRuleLayout,
  BreakLayout,
  BreakWhat,
  Ended,
  Limit,
} from '../../../bpf/abi/heddle.gen.ts'
import type { BreakerRefusal } from '../../../pipelines/policy/breaker.ts'
import { SyscallProgram } from '../../adapters/bpf-run.ts'
import { BpfMap, u32 } from '../../adapters/libbpf.ts'
import type { DispatcherPins, Pins } from '../../adapters/pins.ts'
import type { KernelServices } from './kernel-routes.ts'
import type { Admitted } from './ports.ts'

const { fields } = BreakLayout
const RULE_WORDS = BreakerRuleLayout.bytes / 4
const MAX_PENDING_WORD = BreakerRuleLayout.fields.max_pending.at / 4
/** enum heddle_breaker_kind in `state` of struct heddle_breaker. */
const KIND_AT = 20n
const KINDS = ['closed', 'open', 'half-open'] as const

/** Words of struct heddle_breaker_rule. */
export type RuleWords = readonly number[]
const NO_RULE: RuleWords = Array.from({ length: RULE_WORDS }, () => 0)

type Ask = { service: number; rule?: RuleWords; index?: number; status?: number; ticket?: number }

export type BreakerStats = {
  /** An address that it is called by. */
  service: string
  state: (typeof KINDS)[number]
  trips: number
  refused: Record<BreakerRefusal, number>
}

export class KernelBreakers {
  private readonly map: BpfMap | undefined
  private readonly program: SyscallProgram | undefined
  /** Requests that wait for a connection, by service. */
  private readonly waiting = new Map<number, number>()

  constructor(pins: Pins, dispatcher: DispatcherPins) {
    const pin = dispatcher.program('relay_break')
    if (!existsSync(pin) || !existsSync(pins.map('breakers'))) return
    this.map = BpfMap.pinned(pins.map('breakers'))
    this.program = new SyscallProgram(pin, BreakLayout.bytes)
    const { flight } = BreakerLayout.fields
    for (let service = 0; service < Limit.MAX_SERVICES; service++)
      if (this.entry(service)?.readUInt32LE(flight.at)) this.ask(BreakWhat.BREAK_FORGET, { service })
  }

  /** Why not, or how its end is to be told. */
  admit(service: number, rule: RuleWords): Admitted | BreakerRefusal {
    const { answer, ticket } = this.ask(BreakWhat.BREAK_ADMIT, { service, rule })
    if (answer === BreakerAnswer.BREAKER_IS_OPEN) return 'open'
    if (answer === BreakerAnswer.BREAKER_IN_FLIGHT) return 'in-flight'
    let open = true
    const ends = (what: number, status: number) => {
      if (open) this.ask(what, { service, rule, status, ticket })
      open = false
    }
    return {
      over: (came) => ends(BreakWhat.BREAK_ENDED, came === 'error' ? Ended.ENDED_RESET : came),
      untold: () => ends(BreakWhat.BREAK_ENDED, Ended.ENDED_UNTOLD),
      pending: () => ends(BreakWhat.BREAK_PENDING, Ended.ENDED_UNTOLD),
      wait: () => this.wait(service, rule[MAX_PENDING_WORD] ?? 0),
    }
  }

  /** An upstream of the kernel's ended within a response. False = there is no such program. */
  broke({ index, came, rule }: { index: number; came: number; rule: RuleWords | undefined }): boolean {
    if (!this.program) return false
    this.ask(BreakWhat.BREAK_BROKE, { service: 0, index, rule: rule ?? NO_RULE, status: came })
    return true
  }

  /** Of services where a breaker has done something. */
  stats(services: KernelServices): BreakerStats[] {
    const numbers = Array.from({ length: Limit.MAX_SERVICES }, (_, number) => number)
    const found = numbers.flatMap((number) => {
      const value = this.entry(number)
      return value && hasActed(value) ? [{ number, value }] : []
    })
    const addresses = found.length === 0 ? new Map<number, string>() : services.addresses()
    return found.map(({ number, value }) => ({
      service: addresses.get(number) ?? `number ${number}`,
      ...statsOf(value),
    }))
  }

  close(): void {
    this.map?.close()
    this.program?.close()
  }

  /** A place among those that wait, given back by what it returns; undefined = too many do. */
  private wait(service: number, most: number): (() => void) | undefined {
    const waiting = this.waiting.get(service) ?? 0
    if (most > 0 && waiting >= most) return undefined
    this.waiting.set(service, waiting + 1)
    return () => {
      const left = (this.waiting.get(service) ?? 1) - 1
      if (left > 0) this.waiting.set(service, left)
      else this.waiting.delete(service)
    }
  }

  private entry(service: number): Buffer | undefined {
    return this.map?.lookup(u32(service), BreakerLayout.bytes)
  }

  private ask(what: number, { service, rule = NO_RULE, index = 0, status = 0, ticket = 0 }: Ask) {
    const { program } = this
    if (!program) return { answer: BreakerAnswer.BREAKER_ADMITS, ticket: 0 }
    const { context } = program
    context.fill(0)
    context.writeUInt32LE(what, fields.what.at)
    context.writeUInt32LE(service, fields.service.at)
    context.writeUInt32LE(index, fields.index.at)
    context.writeUInt32LE(status, fields.status.at)
    context.writeUInt32LE(ticket, fields.ticket.at)
    for (const [word, value] of rule.entries()) context.writeUInt32LE(value, fields.rule.at + 4 * word)
    program.run()
    return { answer: context.readUInt32LE(fields.answer.at), ticket: context.readUInt32LE(fields.ticket.at) }
  }
}

function countsIn(value: Buffer): { trips: number; refused: Record<BreakerRefusal, number> } {
  const { trips, refused } = BreakerLayout.fields
  const count = (at: number) => Number(value.readBigUInt64LE(at))
  const answered = (answer: number) => count(refused.at + 8 * answer)
  return {
    trips: count(trips.at),
    refused: {
      open: answered(BreakerAnswer.BREAKER_IS_OPEN),
      'in-flight': answered(BreakerAnswer.BREAKER_IN_FLIGHT),
      pending: answered(BreakerAnswer.BREAKER_PENDING),
    },
  }
}

function hasActed(value: Buffer): boolean {
  const { trips, refused } = countsIn(value)
  return trips + Object.values(refused).reduce((sum, each) => sum + each, 0) > 0
}

function statsOf(value: Buffer): Omit<BreakerStats, 'service'> {
  const kind = Number((value.readBigUInt64LE(BreakerLayout.fields.state.at) >> KIND_AT) & 3n)
  return { state: KINDS[kind] ?? 'closed', ...countsIn(value) }
}
