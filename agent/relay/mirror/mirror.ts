/**
 * Copies of requests, on their way to the services that they are for. Nothing waits for them: what is more
 * than the relay may have in hand is counted and lost, and so is what no endpoint answers.
 */
import type { Request } from '../../../pipelines/protocols/http1-request.ts'
import type { Connector, Target } from '../outbound/ports.ts'
import { Limit } from '../../../bpf/abi/heddle.gen.ts'
import { draws } from '../../../pipelines/policy/mirror.ts'
import type { WantedCopy } from '../verdicts.ts'
import type { Copy } from './assembly.ts'
import type { Asker } from './copy-record.ts'
import { FormingCopy } from './forming.ts'
import { CopyCounts, type Lost } from './lost.ts'
import { type MirroredRequest, mirroredRequest } from './mirrored-request.ts'
import { Replay } from './replay.ts'

/** Copies that one service has at a time, and that wait for it: one that stalls keeps no other from its own. */
const MAX_ACTIVE = 32
const MAX_WAITING = 256
/** Bytes of all that wait. */
const MAX_WAITING_BYTES = 8_388_608

export type MirrorPorts = {
  connector: Connector
  /** 32 bits. */
  random(): number
  /** Where to, in whose name; or why it goes nowhere. */
  target(service: number, request: Request, asker: Asker): Target | 'noEndpoint' | 'denied'
  complain(error: unknown): void
}

type Waiting = { copy: MirroredRequest; asker: Asker }
type Lane = { active: Set<Replay>; waiting: Waiting[] }

export class Mirror {
  readonly counts = new CopyCounts()
  private readonly ports: MirrorPorts
  private readonly lanes = new Map<number, Lane>()
  private held = 0
  private closed = false

  constructor(ports: MirrorPorts) {
    this.ports = ports
  }

  /** Of a request that the relay carries: undefined = it is not copied. */
  begin(wanted: readonly WantedCopy[], asker: Asker): FormingCopy | undefined {
    const drawn = wanted.filter((each) => draws(each, this.ports.random()))
    if (drawn.length === 0) return undefined
    const known = drawn.flatMap(({ service }) => (service === undefined ? [] : [service]))
    this.counts.lose('noService', drawn.length - known.length)
    // However many rules say so, a service has one copy of a request.
    const services = [...new Set(known)]
    const targets = services.slice(0, Limit.COPY_TARGETS)
    this.counts.lose('beyond', services.length - targets.length)
    if (targets.length === 0) return undefined
    return new FormingCopy({ targets, asker }, (copy) => {
      if (copy === 'tooLarge') this.counts.lose(copy, targets.length)
      else this.send(copy)
    })
  }

  /** `copy.bytes`: one whole request. Never throws: it is told from between requests that matter. */
  send({ bytes, targets, asker }: Copy): void {
    try {
      const copy = mirroredRequest(bytes)
      if (typeof copy === 'string') this.counts.lose(copy, targets.length)
      else for (const service of targets) this.wait(service, { copy, asker })
    } catch (error) {
      this.ports.complain(error)
    }
  }

  get open(): number {
    return [...this.lanes.values()].reduce((sum, { active }) => sum + active.size, 0)
  }

  close(): void {
    this.closed = true
    for (const { active, waiting } of this.lanes.values()) {
      waiting.length = 0
      for (const replay of [...active]) replay.abort()
    }
  }

  private wait(service: number, one: Waiting): void {
    const lane = this.lanes.get(service) ?? { active: new Set(), waiting: [] }
    this.lanes.set(service, lane)
    const bytes = one.copy.bytes.length
    if (lane.waiting.length >= MAX_WAITING || this.held + bytes > MAX_WAITING_BYTES || this.closed) {
      this.counts.lose('queue')
      return
    }
    this.held += bytes
    lane.waiting.push(one)
    this.advance(service, lane)
  }

  private advance(service: number, lane: Lane): void {
    while (lane.active.size < MAX_ACTIVE) {
      const next = lane.waiting.shift()
      if (!next) break
      this.held -= next.copy.bytes.length
      this.replay(service, lane, next)
    }
    if (lane.active.size === 0) this.lanes.delete(service)
  }

  private replay(service: number, lane: Lane, { copy, asker }: Waiting): void {
    const target = this.targetOf(service, copy.request, asker)
    if (typeof target === 'string') {
      this.counts.lose(target)
      return
    }
    const replay = new Replay(this.ports.connector, target, copy, (end) => {
      lane.active.delete(replay)
      if (end === 'delivered') this.counts.delivered++
      else this.counts.lose(end)
      this.advance(service, lane)
    })
    lane.active.add(replay)
  }

  private targetOf(
    service: number,
    request: Request,
    asker: Asker,
  ): Target | Extract<Lost, 'noEndpoint' | 'denied' | 'failed'> {
    try {
      return this.ports.target(service, request, asker)
    } catch (error) {
      this.ports.complain(error)
      return 'failed'
    }
  }
}
