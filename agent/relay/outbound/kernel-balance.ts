/**
 * Which endpoint takes a request of the slow path: the same meaning as in the kernel (balance.h), over the same
 * loads and ejections, and what came of it is told where the kernel's requests are counted.
 */
import { BalanceLayout, Ended, HealthLayout, Limit } from '../../../bpf/abi/heddle.gen.ts'
import { choose, SPREAD_STEP, type Standing } from '../../../pipelines/services/balance.ts'
import { hashText } from '../../../pipelines/services/balance-hash.ts'
import { hashKey } from '../../../pipelines/services/balance-key.ts'
import { type SessionCookie, sessionCookie, setsCookie } from '../../../pipelines/services/session-cookie.ts'
import type { Request } from '../../../pipelines/protocols/http1-request.ts'
import { BpfMap, u32 } from '../../adapters/libbpf.ts'
import { decodeBalance } from '../../adapters/libbpf-balances.ts'
import type { Pins } from '../../adapters/pins.ts'
import type { BalanceEntry } from '../../ports.ts'
import type { KernelAsk } from './kernel-ask.ts'
import type { KernelEndpoint, KernelServices, ServiceRun } from './kernel-routes.ts'
import type { EndpointCall } from './ports.ts'

/** Places of a Maglev table that are tried for an endpoint that takes requests. */
const SPOTS = 32
const UINT32 = 2 ** 32
const NS_PER_MS = 1_000_000n
/** A tenth of its share has an endpoint from the start. */
const FIRST_PART = 0.1
/** Nanoseconds after which a latency counts half. */
const HALF_LIFE = 10_000n * NS_PER_MS

const { fields } = HealthLayout

/** `now`: CLOCK_MONOTONIC in nanoseconds, the programs' clock. `random`: 32 bits. */
type Sources = { now: () => bigint; random: () => number }

/** Who asks, and for what. */
type Asked = { identity: number; request: Request }

/** Endpoints as they are to be tried, and the cookie that the answer has to set. */
type Order = { endpoints: KernelEndpoint[]; cookie: SessionCookie | undefined }

export class KernelBalance {
  private readonly services: KernelServices
  private readonly ask: KernelAsk
  private readonly health: BpfMap
  private readonly births: BpfMap
  private readonly balances: BpfMap
  private readonly spots: BpfMap
  private readonly sources: Sources
  private readonly turns = new Map<number, number>()

  constructor(pins: Pins, services: KernelServices, ask: KernelAsk, sources: Sources) {
    this.services = services
    this.ask = ask
    this.health = BpfMap.pinned(pins.map('health'))
    this.births = BpfMap.pinned(pins.map('births'))
    this.balances = BpfMap.pinned(pins.map('balances'))
    this.spots = BpfMap.pinned(pins.map('spots'))
    this.sources = sources
    for (let number = 0; number < Limit.MAX_ENDPOINTS; number++)
      if (this.healthOf(number).readInt32LE(fields.in_flight.at) !== 0) ask.forget(number)
  }

  /** The chosen one, and behind it those that may be tried where it fails. Empty = nobody takes requests. */
  order(service: number, { identity, request }: Asked): Order {
    const run = this.services.run(service)
    const how = this.policyOf(service)
    const cookie = sessionCookie(how.hash, request, this.sources.random)
    const standings = run.endpoints.map((endpoint) => this.standing(how, endpoint))
    const chosen = this.chosen(service, how, {
      run,
      standings,
      key: cookie ? hashText(cookie.value) : hashKey(how.hash, request, identity),
    })
    if (chosen === undefined) return { endpoints: [], cookie }
    const others = tierOf(run, chosen).filter(
      (each, place) => place !== chosen && takes(standings[place], each),
    )
    const from = others.length === 0 ? 0 : this.sources.random() % others.length
    const first = run.endpoints[chosen] as KernelEndpoint
    return { endpoints: [first, ...others.slice(from), ...others.slice(0, from)], cookie }
  }

  /** Endpoints that requests may go to as it is: they are worth connections. */
  within(service: number): KernelEndpoint[] {
    const run = this.services.run(service)
    const how = this.policyOf(service)
    const standings = run.endpoints.map((endpoint) => this.standing(how, endpoint))
    const nearest = run.endpoints.findIndex((each, place) => takes(standings[place], each))
    const near = nearest < 0 ? run.endpoints : tierOf(run, nearest)
    return near.filter(({ weight }) => weight > 0)
  }

  /** The one endpoint that there is, where it takes requests, is another node's, and nobody has to set a cookie. */
  onlyElsewhere(service: number): KernelEndpoint | undefined {
    const [only, ...others] = this.services.run(service).endpoints.filter(({ weight }) => weight > 0)
    if (only === undefined || others.length > 0 || only.local) return undefined
    const how = this.policyOf(service)
    return !setsCookie(how.hash) && takes(this.standing(how, only), only) ? only : undefined
  }

  /** A request goes to it. */
  call(service: number, { number }: KernelEndpoint): EndpointCall {
    const began = this.sources.now()
    let status: number = Ended.ENDED_UNTOLD
    let open = true
    this.ask.called(number)
    return {
      heard: (heard) => {
        if (heard >= 200) status = heard
      },
      lost: () => {
        status = Ended.ENDED_RESET
      },
      over: () => {
        if (!open) return
        open = false
        this.ask.answered({ endpoint: number, service, status, ns: this.sources.now() - began })
      },
    }
  }

  close(): void {
    for (const map of [this.health, this.births, this.balances, this.spots]) map.close()
  }

  private policyOf(service: number): BalanceEntry {
    return decodeBalance(
      this.balances.lookup(u32(service), BalanceLayout.bytes) ?? Buffer.alloc(BalanceLayout.bytes),
    )
  }

  private standing(how: BalanceEntry, { number, weight }: KernelEndpoint): Standing {
    const value = this.healthOf(number)
    const now = this.sources.now()
    const until = value.readBigUInt64LE(fields.ejected_until.at)
    const ejects = how.consecutive5xx > 0 || how.consecutiveResets > 0
    return {
      weight,
      ejected: ejects && until > now,
      inFlight: Math.max(0, value.readInt32LE(fields.in_flight.at)),
      latency: latencyOf(value, now),
      started: how.slowStartMs === 0 ? 1 : this.started(number, until, { now, ms: how.slowStartMs }),
    }
  }

  private healthOf(endpoint: number): Buffer {
    return this.health.lookup(u32(endpoint), HealthLayout.bytes) ?? Buffer.alloc(HealthLayout.bytes)
  }

  private started(number: number, returned: bigint, { now, ms }: { now: bigint; ms: number }): number {
    const birth = this.births.lookup(u32(number), 8)?.readBigUInt64LE() ?? 0n
    const since = birth > returned ? birth : returned
    if (since === 0n) return 1
    return Math.min(1, Math.max(FIRST_PART, Number((now - since) / NS_PER_MS) / ms))
  }

  private chosen(
    service: number,
    how: BalanceEntry,
    { run, standings, key }: { run: ServiceRun; standings: readonly Standing[]; key: number },
  ): number | undefined {
    const { random } = this.sources
    const spot = how.policy === 'maglev' ? this.spot(how, key, run, standings) : undefined
    if (spot !== undefined) return spot
    const lots = {
      random,
      turn: () => {
        const turn = this.turns.get(service) ?? 0
        this.turns.set(service, (turn + 1) % UINT32)
        return turn
      },
      key: how.policy === 'maglev' ? key : random(),
    }
    return choose(how.policy, standings, run, lots)
  }

  /** Place in the run of what the service's table has for the key. */
  private spot(
    { table: { first, count } }: BalanceEntry,
    key: number,
    { endpoints }: ServiceRun,
    standings: readonly Standing[],
  ): number | undefined {
    for (let tried = 0; tried < SPOTS && count > 0; tried++) {
      const at = first + (((key + tried * SPREAD_STEP) % UINT32) % count)
      const number = this.spots.lookup(u32(at), 4)?.readUInt32LE()
      const place = endpoints.findIndex((each) => each.number === number)
      if (place >= 0 && takes(standings[place], endpoints[place])) return place
    }
    return undefined
  }
}

function takes(standing: Standing | undefined, endpoint: KernelEndpoint | undefined): boolean {
  return standing !== undefined && !standing.ejected && (endpoint?.weight ?? 0) > 0
}

/** Those that are no farther than the one at a place. */
function tierOf({ endpoints, local, zone }: ServiceRun, place: number): KernelEndpoint[] {
  return endpoints.slice(0, [local, zone].find((near) => place < near) ?? endpoints.length)
}

/** Microseconds, of late; as load_of() of balance.h takes them. */
function latencyOf(value: Buffer, now: bigint): number {
  const latency = value.readBigUInt64LE(fields.latency.at)
  if (latency === 0n) return 0
  const age = (now - value.readBigUInt64LE(fields.measured.at)) / HALF_LIFE
  return Number((latency / 1000n) >> (age < 31n ? age : 31n)) || 1
}
