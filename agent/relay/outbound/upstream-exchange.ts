/**
 * One request over one upstream: its head and body out, its responses back, each side
 * read only as fast as the other takes. An upstream that closes before a response began, or
 * answers what its route takes for no answer, is exchanged for another where the request may be
 * said twice (repeat.ts).
 */
import { tellBreaker } from './tell-breaker.ts'
import { ExchangeTimers } from './exchange-timers.ts'
import { copyTo } from './copy-sink.ts'
import type { ExchangeEnd, ExchangePorts, Forward } from './exchange-ports.ts'
import { type EndpointCall, type Target, TooManyWait } from './ports.ts'
import { type Came, type Sent, Tries } from './repeat.ts'
import type { RequestHead } from './request-reader.ts'
import type { ResponseHead } from './response-head.ts'
import { BadResponse, type FoundHead, ResponseReader } from './response-reader.ts'
import { NOBODY, type Wire, type WireOwner } from './wire.ts'

export class UpstreamExchange implements WireOwner {
  private readonly ports: ExchangePorts
  private readonly forward: Forward
  private readonly asked: RequestHead
  private readonly head: Buffer
  private upstream: Wire | undefined
  private target: Target
  private call: EndpointCall | undefined
  private reader: ResponseReader
  private readonly tries: Tries
  private readonly timers = new ExchangeTimers()
  private sent: Sent = 'nothing'
  private passed: 'nothing' | 'interim' | 'final' = 'nothing'
  private response: ResponseHead | undefined
  /** Bytes behind the response that nobody asked for, or of the tunnel. */
  private surplus: Buffer = Buffer.alloc(0)
  private ending: ExchangeEnd | undefined
  private over = false

  constructor(ports: ExchangePorts, asked: RequestHead, forward: Forward) {
    this.ports = ports
    this.asked = asked
    this.forward = forward
    this.tries = new Tries(asked, forward)
    // It outlives the client's next read.
    this.head = Buffer.from(forward.request ? forward.request(asked.bytes) : asked.bytes)
    this.target = forward.targets[0]
    copyTo(forward.copies, this.head, asked.body.framing === 'none')
    this.reader = this.newReader()
    this.timers.set('request', forward.requestTimeout, () => this.fail(504))
    this.timers.next(forward.delay ?? 0, () => this.attempt())
  }

  /** The endpoint does not take what was sent: no more is to be read for it. */
  get blocked(): boolean {
    return this.upstream !== undefined && this.upstream.backlog > 0
  }

  /** How much of a final response is with the client. */
  get answered(): 'nothing' | 'part' | 'all' {
    if (this.passed !== 'final') return 'nothing'
    return this.reader.phase === 'done' ? 'all' : 'part'
  }

  /** Not a byte has come back. */
  private get silent(): boolean {
    return this.passed === 'nothing' && this.reader.untouched
  }

  /** More of the body may be there. */
  send(): void {
    if (!this.upstream || this.over || this.sent === 'all' || this.blocked) return
    const part = this.ports.part()
    if (!part || this.over) return
    this.moves()
    if (part.bytes.length > 0) this.upstream.write(part.bytes)
    copyTo(this.forward.copies, part.bytes, part.last)
    if (part.last) this.sent = 'all'
    else if (part.bytes.length > 0) this.sent = 'part'
    if (part.last && this.reader.phase === 'done') this.conclude()
  }

  clientDrained(): void {
    if (this.ending) this.end(this.ending)
    else this.upstream?.resume()
  }

  /** Nobody waits for it any more. */
  abort(): void {
    if (this.over) return
    this.forward.admitted?.untold()
    this.finish()
    this.drop()?.reset()
  }

  bytes(chunk: Buffer): void {
    if (this.over) return
    this.moves()
    try {
      this.pass(chunk)
    } catch (error) {
      if (!(error instanceof BadResponse)) throw error
      this.fail(502)
    }
  }

  ended(): void {
    if (this.over || this.ending) return
    if (this.reader.phase === 'to-close') this.conclude()
    else this.lost()
  }

  drained(): void {
    this.send()
    this.ports.pace()
  }

  gone(): void {
    if (!this.over && !this.ending) this.lost()
  }

  private newReader(): ResponseReader {
    return new ResponseReader({ head: this.asked.method === 'HEAD', upgrade: this.asked.upgrade })
  }

  private attempt(): void {
    const { targets, backendTimeout, admitted } = this.forward
    this.target = targets[this.tries.count % targets.length] as Target
    const { target } = this
    const fresh = this.tries.count++ > 0
    this.call = target.call?.()
    this.moves()
    this.timers.set('backend', backendTimeout, () => this.again('late') || this.fail(504))
    this.ports.connector.take(target, fresh, admitted && (() => admitted.wait())).then(
      (wire) => (this.over ? this.ports.connector.giveBack(target, wire) : this.begin(wire)),
      (error) => {
        if (error instanceof TooManyWait) return this.end({ kind: 'failed', status: 'pending' })
        this.call?.lost()
        this.lost()
      },
    )
  }

  private moves(): void {
    if (!this.ending) this.timers.set('idle', this.forward.idleTimeout ?? 0, () => this.fail(504))
  }

  private begin(wire: Wire): void {
    wire.owner = this
    this.upstream = wire
    this.reader = this.newReader()
    if (this.asked.body.framing === 'none') {
      this.sent = 'all'
      wire.write(this.head)
      return
    }
    this.sent = 'head'
    wire.together(() => {
      wire.write(this.head)
      // Written but corked: that is no backlog of the endpoint's.
      const part = this.ports.part()
      if (!part || this.over) return
      copyTo(this.forward.copies, part.bytes, part.last)
      if (part.bytes.length === 0) return
      wire.write(part.bytes)
      this.sent = part.last ? 'all' : 'part'
    })
    this.ports.pace()
  }

  /** Heads one by one, with the route's edits; bodies as they come. */
  private pass(chunk: Buffer): void {
    const { reader } = this
    const out: Buffer[] = []
    let from = 0
    let at = 0
    while (at < chunk.length && reader.phase !== 'done') {
      if (reader.phase !== 'head') {
        at = reader.body(chunk, at)
        continue
      }
      const found = reader.head(chunk, at)
      if (!found) break
      this.call?.heard(found.head.status)
      if (this.again(found.head.status)) return
      const edited = this.takeHead(found)
      // As it came, it leaves together with what stands before and behind it.
      if (edited || found.bytes.length !== found.at - at) {
        if (at > from) out.push(chunk.subarray(from, at))
        out.push(edited ?? found.bytes)
        from = found.at
      }
      at = found.at
    }
    if (at > from) out.push(chunk.subarray(from, at))
    if (reader.phase === 'done') this.surplus = chunk.subarray(at)
    // Before its client knows, who may ask again at once.
    if (reader.phase === 'done') this.forward.admitted?.over(this.response?.status ?? 200)
    this.write(out)
    if (reader.phase === 'done') this.conclude()
  }

  private takeHead(found: FoundHead): Buffer | undefined {
    if (found.head.status < 200 && found.head.status !== 101) {
      if (this.passed === 'nothing') this.passed = 'interim'
      return undefined
    }
    // A server may not switch before it has read the request (RFC 9110 7.8).
    if (found.head.status === 101 && this.sent !== 'all') throw new BadResponse('101 within the request')
    this.response = found.head
    const edits = this.forward.response
    return edits && Buffer.from(edits(found.bytes))
  }

  private write(out: Buffer[]): void {
    const { client } = this.ports
    if (out.length === 0) return
    client.writeAll(out)
    if (this.response) this.passed = 'final'
    if (client.backlog > 0) this.upstream?.pause()
  }

  /** The response is whole. Its request may not be. */
  private conclude(): void {
    const { response, upstream } = this
    if (!response || !upstream) return
    if (response.status === 101) {
      this.end({ kind: 'tunnel', upstream, early: Buffer.from(this.surplus) })
      return
    }
    const stays = response.persistent && this.asked.persistent && this.surplus.length === 0
    // The client was told all: what remains of its request is for an endpoint that still reads (RFC 9112 9.3).
    if (stays && this.sent !== 'all') return
    const heard = this.asked.request.version === '1.1' || response.keepAlive
    this.end({ kind: 'done', goesOn: stays && heard })
  }

  /** The upstream is gone, or never was. */
  private lost(): void {
    if (this.over) return
    const whole = this.response !== undefined && this.reader.phase === 'done'
    // A pooled connection may have ended before the request was there: that says nothing.
    if (!whole && !(this.silent && this.tries.count === 1)) this.call?.lost()
    this.drop()?.destroy()
    if (whole) this.end({ kind: 'done', goesOn: false })
    else if (!this.again('lost')) this.fail(this.reader.untouched ? 503 : 502)
  }

  /** Once more, if what the last try came to allows it. */
  private again(came: Came): boolean {
    const wait = this.passed === 'final' ? undefined : this.tries.wait(came, this.sent, !this.silent)
    if (wait === 'over budget') this.ports.retried('overBudget')
    if (typeof wait !== 'number') return false
    if (came === 'late') this.call?.heard(504)
    this.drop()?.reset()
    this.sent = 'nothing'
    this.reader = this.newReader()
    this.ports.retried('retries')
    this.timers.next(wait, () => this.attempt())
    return true
  }

  private fail(status: 502 | 503 | 504): void {
    if (status === 504) this.call?.heard(504)
    this.drop()?.reset()
    this.end(this.answered === 'nothing' ? { kind: 'failed', status } : { kind: 'broken' })
  }

  /** Not before the client's kernel has it all: the upstream's buffer still holds the rest. */
  private end(ending: ExchangeEnd): void {
    if (this.over) return
    this.timers.stop()
    tellBreaker(this.forward.admitted, ending, this.response?.status)
    if (ending.kind !== 'broken' && this.ports.client.backlog > 0) {
      this.ending = ending
      return
    }
    this.finish()
    if (ending.kind === 'done') {
      const upstream = this.drop()
      if (upstream && ending.goesOn && upstream.backlog === 0)
        this.ports.connector.giveBack(this.target, upstream)
      else upstream?.destroy()
    }
    this.ports.ended(ending)
  }

  /** What it still says is nobody's business. */
  private drop(): Wire | undefined {
    const { upstream } = this
    if (upstream) upstream.owner = NOBODY
    this.upstream = undefined
    this.call?.over()
    return upstream
  }

  private finish(): void {
    this.over = true
    this.tries.over()
    this.timers.stop()
    this.call?.over()
  }
}
