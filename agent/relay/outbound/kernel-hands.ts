/**
 * A client's connection while the kernel has a part in it: offered, taken over, and what it left in the
 * middle (the rest of a response, or of a request's body).
 */
import type { RequestEnd } from './counts.ts'
import { localReply } from './local-reply.ts'
import type { KernelEnd, Turn } from './ports.ts'
import { type Found, RequestReader } from './request-reader.ts'
import { RestOfRequest } from './request-rest.ts'
import { type Rest, RestOfResponse } from './response-rest.ts'
import type { Wire } from './wire.ts'

export type HandsPorts = {
  client: Wire
  turn: Turn
  count(end: RequestEnd): void
  complain(error: unknown): void
  /** Nothing is under way in the kernel any more: the relay begins. */
  ours(): void
  /** What comes first is the rest of a body. */
  reads(reader: RequestReader): unknown
  /** It can be passed on. */
  more(): void
  close(): void
  guarded(act: () => void): void
}

export class KernelHands {
  /** `relay`: the kernel has no part in it. `turning`: what it has under way is not done. */
  state: 'kernel' | 'rest' | 'turning' | 'relay' = 'kernel'
  private readonly ports: HandsPorts
  private request: RestOfRequest | undefined
  private response: RestOfResponse | undefined

  constructor(ports: HandsPorts) {
    this.ports = ports
  }

  /** An upstream does not take the rest of a body. */
  get blocked(): boolean {
    return this.request?.blocked === true
  }

  /** The kernel may have it back. */
  offer(): void {
    const { client, turn } = this.ports
    this.state = 'kernel'
    turn.offer(client.read, client.written)
  }

  /** The relay takes it over. */
  take(): void {
    const { rest, done } = this.ports.turn.take()
    this.state = rest ? 'rest' : 'turning'
    if (rest === 'lost') {
      this.breakOff()
      return
    }
    if (rest) {
      this.request = new RestOfRequest(rest.upstream, () => this.ports.more())
      this.ports.reads(new RequestReader(rest.body))
    }
    done.then(
      () => this.done(),
      (error) => {
        this.ports.complain(error)
        this.ports.client.reset()
      },
    )
  }

  /** What there is of the rest of a body, to the upstream that has its beginning. */
  pass(part: () => Found, clientEnded: boolean): void {
    if (!this.request || this.blocked) return
    if (this.request.pass(part(), clientEnded)) this.state = 'turning'
  }

  /** The kernel gives up the response that it has under way: the rest of it comes by `upstream`. */
  takeRest(upstream: Wire, rest: Rest): void {
    const { client, guarded, close } = this.ports
    if (this.state === 'relay') {
      upstream.reset()
      return
    }
    if (this.state === 'kernel') guarded(() => this.take())
    this.response = new RestOfResponse(client, upstream, rest, (end) =>
      guarded(() => {
        this.response = undefined
        if (end.kind === 'broken') this.breakOff()
        else if (end.closes) close()
      }),
    )
  }

  /** What the kernel had under way came to nothing, or its server said the last word. */
  ended({ working, begun, closes }: KernelEnd): void {
    const { client, turn, count, close } = this.ports
    if (this.state === 'relay') return
    if (working && !begun) {
      count('unavailable')
      turn.take()
      client.write(localReply(503, true))
      close()
    } else if (closes) close()
    else if (working) this.breakOff()
  }

  /** What the kernel has under way can't be brought to an end. */
  breakOff(): void {
    this.ports.count('broken')
    this.ports.client.reset()
  }

  /** The client is told all: what the kernel still says of it comes too late. */
  leave(): void {
    this.state = 'relay'
  }

  clientDrained(): void {
    this.response?.clientDrained()
  }

  clientGone(): void {
    this.response?.abort()
  }

  private done(): void {
    // A response before the end of its request: what is left of that is nobody's.
    if (this.state === 'rest') this.ports.close()
    if (this.state !== 'turning') return
    this.request?.end()
    this.request = undefined
    this.state = 'relay'
    this.ports.ours()
  }
}
