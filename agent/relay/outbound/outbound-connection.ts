/**
 * One client's connection to a service, as the slow path serves it: requests one after another, each to its own
 * endpoint, each answered before the next is begun (what is pipelined may depend on what stands before it, and its
 * order is kept by doing nothing). Between two messages it is offered to the kernel; what comes then is the
 * kernel's or, once that has nothing under way, the relay's again.
 */
import { FAILURE_ENDS, type RequestEnd } from './counts.ts'
import { KernelHands } from './kernel-hands.ts'
import { lastResponse } from './last-response.ts'
import { failureReply, type LocalStatus, localReply } from './local-reply.ts'
import { LeftBody, nextCanBeFound } from './left-body.ts'
import { Farewell } from './farewell.ts'
import type { ConnectionPorts } from './ports.ts'
import { type Found, type RequestHead, RequestReader } from './request-reader.ts'
import { outcomeOf } from './routing.ts'
import { Tunnel } from './tunnel.ts'
import type { ExchangeEnd, Forward } from './exchange-ports.ts'
import { UpstreamExchange } from './upstream-exchange.ts'
import type { Wire, WireOwner } from './wire.ts'

/** Bytes of requests that wait for their turn; with one read more (64 KB) all that a client's connection holds. */
const MAX_HELD_BYTES = 65_536
/** Milliseconds in which a client of a relay that stops may ask once more: an end would meet a request that is on its way. */
const LAST_REQUEST_MS = 1_000
/** `kernel`: it has a part in it (KernelHands). `ours`: at a message boundary or within a head. `closing`: all is said. */
type Stage = 'kernel' | 'ours' | 'exchange' | 'discarding' | 'tunnel' | 'closing'

export class OutboundConnection implements WireOwner {
  private readonly ports: ConnectionPorts
  private readonly client: Wire
  private requests = new RequestReader()
  private stage: Stage = 'kernel'
  readonly hands: KernelHands
  private clientEnded = false
  private draining: boolean
  /** The response under way says that it is the last. */
  private saidLast = false
  private asked: RequestHead | undefined
  /** Of the request at hand: the end of its body has not been taken. */
  private bodyLeft = false
  private exchange: UpstreamExchange | undefined
  private tunnel: Tunnel | undefined
  private left = new LeftBody()
  private readonly farewell: Farewell

  /** `draining`: the relay stops already; the first request is told so. */
  constructor(client: Wire, ports: ConnectionPorts, draining: boolean) {
    this.client = client
    this.ports = ports
    this.draining = draining
    this.farewell = new Farewell(client)
    this.hands = new KernelHands({
      client,
      turn: ports.turn,
      count: (end) => this.count(end),
      complain: (error) => ports.complain(error),
      ours: () => this.begins(),
      more: () => this.guarded(() => this.advance()),
      reads: (reader) => (this.requests = reader),
      close: () => this.close(),
      guarded: (act) => this.guarded(act),
    })
    client.owner = this
  }

  bytes(chunk: Buffer): void {
    if (this.stage === 'closing') return
    if (this.tunnel) {
      this.tunnel.bytes(chunk)
      return
    }
    // Where its bytes belong is known only then.
    if (this.hands.state === 'kernel') this.guarded(() => this.hands.take())
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
    this.hands.clientDrained()
  }

  gone(): void {
    this.farewell.over()
    this.stage = 'closing'
    if (this.exchange) this.count('abandoned')
    this.exchange?.abort()
    this.exchange = undefined
    this.tunnel?.clientGone()
    this.hands.clientGone()
    this.ports.counts.bytes.fromClients += this.client.read
    this.ports.counts.bytes.toClients += this.client.written
    this.ports.closed()
  }

  /** What is under way goes on; the next response says that it is the last. Who asks nothing is told after a moment. */
  drain(): void {
    this.draining = true
    this.guarded(() => this.advance())
    const idle = () => this.stage === 'ours' && this.requests.held === 0
    setTimeout(() => idle() && this.close(), LAST_REQUEST_MS).unref()
  }

  /** No more time: what has no answer yet gets 503. */
  expire(): void {
    const { exchange } = this
    this.farewell.hurry()
    if (exchange?.answered === 'nothing') {
      exchange.abort()
      this.endExchange({ kind: 'failed', status: 503 })
    } else if (this.stage === 'closing') this.client.destroy()
    else this.client.reset()
  }

  /** Goes as far as the bytes that are there allow. */
  private advance(): void {
    if (this.hands.state === 'kernel' && (this.clientEnded || this.draining)) this.hands.take()
    if (this.hands.state === 'rest') this.hands.pass(() => this.requests.part(), this.clientEnded)
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

  /** The kernel has no part in it any more. */
  private begins(): void {
    if (this.stage !== 'kernel') return
    this.stage = 'ours'
    this.guarded(() => this.advance())
  }

  /** No head is whole. */
  private rest(): void {
    if (this.requests.held > 0) {
      if (this.clientEnded) this.refuse(400)
    } else if (this.clientEnded) this.close()
    else if (!this.draining) {
      this.stage = 'kernel'
      this.hands.offer()
    }
  }

  private serve(head: RequestHead): void {
    this.asked = head
    this.bodyLeft = head.body.framing !== 'none'
    const { router, complain } = this.ports
    const outcome = outcomeOf(router, head.request, complain)
    if (outcome.kind === 'forward') {
      this.stage = 'exchange'
      this.begin(head, outcome)
    } else if (outcome.kind === 'deny' || outcome.kind === 'drop') {
      this.count('denied')
      if (outcome.kind === 'deny') this.answer(403, head)
      else this.client.reset()
    } else {
      this.count(outcome.kind === 'limited' || outcome.kind === 'barred' ? outcome.kind : 'routedReply')
      this.answer(outcome.kind === 'reply' ? outcome.status : outcome.reply, head)
    }
  }

  private begin(head: RequestHead, outcome: Forward): void {
    const { client, ports } = this
    this.saidLast = this.draining
    this.exchange = new UpstreamExchange(
      {
        client,
        connector: ports.connector,
        part: () => this.part(),
        retried: (how) => ports.counts[how]++,
        pace: () => this.pace(),
        ended: (end) => this.guarded(() => this.endExchange(end)),
      },
      head,
      this.draining ? { ...outcome, response: lastResponse(outcome.response) } : outcome,
    )
  }

  private endExchange(end: ExchangeEnd): void {
    this.exchange = undefined
    switch (end.kind) {
      case 'done':
        this.count('forwarded')
        if (!end.goesOn || this.saidLast) this.close()
        else this.stage = 'ours'
        break
      case 'failed':
        this.count(FAILURE_ENDS[end.status])
        this.answer(failureReply(end.status), this.asked as RequestHead)
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
    if (found.kind !== 'part') return this.refuseWithin(found.kind === 'refused' ? found.status : 400)
    if (found.last) this.bodyLeft = false
    // More can't come.
    else if (this.clientEnded) return this.refuseWithin(400)
    return found
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
  private answer(said: LocalStatus | Uint8Array, head: RequestHead): void {
    const close = this.draining || !nextCanBeFound(head, this.bodyLeft)
    this.client.write(localReply(said, close))
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

  private close(): void {
    this.stage = 'closing'
    this.hands.leave()
    this.farewell.say()
  }

  private pace(): void {
    if (this.stage === 'closing' || this.stage === 'tunnel') return
    const blocked = this.exchange?.blocked || this.hands.blocked
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
