/**
 * One client's connection to a service, as the slow path serves it: requests one after
 * another, each to its own endpoint, each answered before the next is begun (what is
 * pipelined may depend on what stands before it, and its order is kept by doing nothing).
 * Between two messages it is offered to the kernel; what comes then is the kernel's
 * or, once that has nothing under way, the relay's again.
 */
import { FAILURE_ENDS, type RequestEnd } from './counts.ts'
import { type LocalStatus, localReply } from './local-reply.ts'
import { LeftBody, nextCanBeFound } from './left-body.ts'
import type { ConnectionPorts } from './ports.ts'
import { type Found, type RequestHead, RequestReader } from './request-reader.ts'
import { RestOfResponse, type RestEnd } from './response-rest.ts'
import type { ResponseRest } from './response-reader.ts'
import { outcomeOf } from './routing.ts'
import { Tunnel } from './tunnel.ts'
import { type ExchangeEnd, type Forward, UpstreamExchange } from './upstream-exchange.ts'
import type { Wire, WireOwner } from './wire.ts'

/** Bytes of requests that wait for their turn; with one read more (64 KB) all that a client's connection holds. */
const MAX_HELD_BYTES = 65_536
/** Milliseconds in which a client reads the last answer, and is read in turn: unread bytes would reset it. */
const LINGER_MS = 5_000
/** The same where the relay's own time is over. */
const LAST_LINGER_MS = 500

/**
 * `kernel`: nothing was read since it was the kernel's to take. `rest`: what comes is the rest of a body
 * that the kernel began. `turning`: what the kernel has under way is not done.
 * `ours`: at a message boundary or within a head. `closing`: all is said.
 */
type Stage = 'kernel' | 'rest' | 'turning' | 'ours' | 'exchange' | 'discarding' | 'tunnel' | 'closing'

/** How far a request in the kernel's hands had come when its upstream ended. */
export type KernelEnd = {
  /** Its response is not complete. */
  working: boolean
  /** Bytes of the response were handed on. */
  begun: boolean
  /** The response ends where the connection ends, or said that it would. */
  closes: boolean
}

export class OutboundConnection implements WireOwner {
  private readonly ports: ConnectionPorts
  private readonly client: Wire
  private requests = new RequestReader()
  private stage: Stage = 'kernel'
  /** Where the rest of a body goes. */
  private restTo: Wire | undefined
  private restOfResponse: RestOfResponse | undefined
  private clientEnded = false
  private draining: boolean
  private asked: RequestHead | undefined
  /** Of the request at hand: the end of its body has not been taken. */
  private bodyLeft = false
  private exchange: UpstreamExchange | undefined
  private tunnel: Tunnel | undefined
  private left = new LeftBody()
  private lingerMs = LINGER_MS
  private linger: NodeJS.Timeout | undefined

  /** `draining`: the relay stops already; the first request is told so. */
  constructor(client: Wire, ports: ConnectionPorts, draining: boolean) {
    this.client = client
    this.ports = ports
    this.draining = draining
    client.owner = this
  }

  bytes(chunk: Buffer): void {
    if (this.stage === 'closing') return
    if (this.tunnel) {
      this.tunnel.bytes(chunk)
      return
    }
    // Where its bytes belong is known only then.
    if (this.stage === 'kernel') this.guarded(() => this.takeTurn())
    this.requests.push(chunk)
    this.guarded(() => this.advance())
    this.requests.keep()
  }

  ended(): void {
    this.clientEnded = true
    if (this.tunnel) this.tunnel.clientEnded()
    else this.guarded(() => this.advance())
  }

  drained(): void {
    if (this.tunnel) this.tunnel.clientDrained()
    else this.exchange?.clientDrained()
    this.restOfResponse?.clientDrained()
  }

  gone(): void {
    clearTimeout(this.linger)
    this.stage = 'closing'
    if (this.exchange) this.count('abandoned')
    this.exchange?.abort()
    this.exchange = undefined
    this.tunnel?.clientGone()
    this.restOfResponse?.abort()
    this.ports.counts.bytes.fromClients += this.client.read
    this.ports.counts.bytes.toClients += this.client.written
    this.ports.closed()
  }

  /** What is under way goes on; what begins is answered with 503, and between two messages it ends. */
  drain(): void {
    this.draining = true
    this.guarded(() => this.advance())
  }

  /** No more time: what has no answer yet gets 503. */
  expire(): void {
    const { exchange } = this
    this.lingerMs = LAST_LINGER_MS
    if (exchange?.answered === 'nothing') {
      exchange.abort()
      this.endExchange({ kind: 'failed', status: 503 })
    } else if (this.stage === 'closing') this.client.destroy()
    else this.client.reset()
  }

  /** The kernel gives up the response that it has under way: the rest of it comes by `upstream`. */
  takeRest(upstream: Wire, rest: ResponseRest): void {
    if (this.stage === 'closing') {
      upstream.reset()
      return
    }
    if (this.stage === 'kernel') this.guarded(() => this.takeTurn())
    this.restOfResponse = new RestOfResponse(this.client, upstream, rest, (end) =>
      this.guarded(() => this.endRest(end)),
    )
  }

  /** What the kernel had under way came to nothing, or its server said the last word. */
  kernelEnded({ working, begun, closes }: KernelEnd): void {
    if (this.stage === 'closing' || this.tunnel || this.exchange) return
    if (working && !begun) {
      this.count('unavailable')
      this.ports.turn.take()
      this.client.write(localReply(503, true))
      this.close()
    } else if (closes) this.close()
    else if (working) {
      this.count('broken')
      this.client.reset()
    }
  }

  /** What the kernel has under way can't be brought to an end. */
  breakOff(): void {
    this.count('broken')
    this.client.reset()
  }

  /** Goes as far as the bytes that are there allow. */
  private advance(): void {
    if (this.stage === 'kernel' && (this.clientEnded || this.draining)) this.takeTurn()
    if (this.stage === 'rest') this.passRest()
    while (this.stage === 'ours' || this.stage === 'discarding') {
      if (this.stage === 'discarding') {
        if (!this.discard()) break
        continue
      }
      const found = this.requests.next()
      if (!found) {
        this.rest()
        break
      }
      if (found.kind === 'head') this.serve(found.head)
      else if (found.kind === 'refused') this.refuse(found.status)
    }
    this.exchange?.send()
    this.pace()
  }

  private takeTurn(): void {
    const { rest, done } = this.ports.turn.take()
    this.stage = rest ? 'rest' : 'turning'
    this.restTo = rest?.upstream
    if (rest) {
      this.requests = new RequestReader(rest.body)
      const { owner } = rest.upstream
      rest.upstream.owner = { ...delegate(owner), drained: () => this.guarded(() => this.advance()) }
    }
    const failed = (error: unknown) => {
      this.ports.complain(error)
      this.client.reset()
    }
    done.then(() => {
      // A response before the end of its request: what is left of that is nobody's.
      if (this.stage === 'rest') this.close()
      if (this.stage !== 'turning') return
      this.stage = 'ours'
      this.guarded(() => this.advance())
    }, failed)
  }

  /** The rest of a body, to the upstream that has its beginning. */
  private passRest(): void {
    const upstream = this.restTo
    if (!upstream || upstream.backlog > 0) return
    const found = this.requests.part()
    if (found.kind !== 'part') {
      upstream.reset()
      return
    }
    if (found.bytes.length > 0) upstream.write(found.bytes)
    if (found.last) this.stage = 'turning'
    else if (this.clientEnded) upstream.reset()
  }

  private endRest(end: RestEnd): void {
    this.restOfResponse = undefined
    if (end.kind === 'broken') this.breakOff()
    else if (end.closes) this.close()
  }

  /** No head is whole. */
  private rest(): void {
    if (this.requests.held > 0) {
      if (this.clientEnded) this.refuse(400)
    } else if (this.clientEnded || this.draining) this.close()
    else {
      this.stage = 'kernel'
      this.ports.turn.offer(this.client.read, this.client.written)
    }
  }

  private serve(head: RequestHead): void {
    this.asked = head
    this.bodyLeft = head.body.framing !== 'none'
    if (this.draining) {
      this.count('unavailable')
      this.answer(503, head)
      return
    }
    const { router, complain } = this.ports
    const outcome = outcomeOf(router, head.request, complain)
    if (outcome.kind === 'forward') {
      this.stage = 'exchange'
      this.begin(head, outcome)
    } else if (outcome.kind === 'reply') {
      this.count('routedReply')
      this.answer(outcome.status, head, outcome.fields)
    } else {
      this.count('denied')
      if (outcome.kind === 'deny') this.answer(403, head)
      else this.client.reset()
    }
  }

  private begin(head: RequestHead, outcome: Forward): void {
    const { client, ports } = this
    this.exchange = new UpstreamExchange(
      {
        client,
        connector: ports.connector,
        part: () => this.part(),
        retried: () => ports.counts.retries++,
        pace: () => this.pace(),
        ended: (end) => this.guarded(() => this.endExchange(end)),
      },
      head,
      outcome,
    )
  }

  private endExchange(end: ExchangeEnd): void {
    this.exchange = undefined
    switch (end.kind) {
      case 'done':
        this.count('forwarded')
        if (!end.goesOn) this.close()
        else this.stage = 'ours'
        break
      case 'failed':
        this.count(FAILURE_ENDS[end.status])
        this.answer(end.status, this.asked as RequestHead)
        break
      case 'broken':
        this.count('broken')
        this.client.reset()
        break
      case 'tunnel':
        this.count('tunnelled')
        this.stage = 'tunnel'
        this.tunnel = new Tunnel(this.client, end.upstream, { up: this.requests.rest(), down: end.early })
        if (this.clientEnded) this.tunnel.clientEnded()
    }
    this.advance()
  }

  /** For the exchange: what there is of its request's body. */
  private part(): Extract<Found, { kind: 'part' }> | undefined {
    const found = this.requests.part()
    if (found.kind === 'part') {
      if (found.last) this.bodyLeft = false
      // More can't come.
      else if (this.clientEnded) return this.refuseWithin(400)
      return found
    }
    return this.refuseWithin(found.kind === 'refused' ? found.status : 400)
  }

  /** The body at hand is not what its head said: the endpoint never sees an end of it. */
  private refuseWithin(status: 0 | 400 | 431): undefined {
    const { exchange } = this
    const answered = exchange?.answered
    exchange?.abort()
    this.exchange = undefined
    if (answered === 'nothing') this.refuse(status)
    else {
      this.count('refused')
      if (answered === 'all') this.close()
      else this.client.reset()
    }
    return undefined
  }

  private refuse(status: 0 | 400 | 431): void {
    this.count('refused')
    if (status === 0) {
      this.client.reset()
      return
    }
    this.client.write(localReply(status, true))
    this.close()
  }

  /** The relay's own reply; the connection goes on behind it where the next request can be found. */
  private answer(status: LocalStatus, head: RequestHead, fields: readonly string[] = []): void {
    const close = this.draining || !nextCanBeFound(head, this.bodyLeft)
    this.client.write(localReply(status, close, fields))
    if (close) this.close()
    else this.stage = this.bodyLeft ? 'discarding' : 'ours'
    this.left = new LeftBody()
  }

  /** Reads an answered request's body to its end; false = not yet, or never. */
  private discard(): boolean {
    const next = this.left.take(this.requests.part())
    if (next === 'last') this.stage = 'ours'
    else if (next === 'endless' || this.clientEnded) this.close()
    return next === 'last'
  }

  /** All is said: an end, and the time to read it. */
  private close(): void {
    this.stage = 'closing'
    this.client.end()
    this.client.resume()
    this.linger = setTimeout(() => this.client.destroy(), this.lingerMs)
  }

  private pace(): void {
    if (this.stage === 'closing' || this.stage === 'tunnel') return
    const blocked = this.exchange?.blocked || (this.restTo !== undefined && this.restTo.backlog > 0)
    if (this.requests.held >= MAX_HELD_BYTES || blocked) this.client.pause()
    else this.client.resume()
  }

  private count(end: RequestEnd): void {
    this.ports.counts.requests[end]++
  }

  /** What the relay can't go on with is broken off. */
  private guarded(act: () => void): void {
    try {
      act()
    } catch (error) {
      this.ports.complain(error)
      this.client.reset()
    }
  }
}

/** The methods of an owner, as a plain object: one of them may be exchanged. */
function delegate(owner: WireOwner): WireOwner {
  return {
    bytes: (chunk) => owner.bytes(chunk),
    ended: () => owner.ended(),
    drained: () => owner.drained(),
    gone: () => owner.gone(),
  }
}
