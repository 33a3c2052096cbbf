/** The change of hands of a client's connection between kernel and relay. */
import type { KernelAsk } from './kernel-ask.ts'
import type { KernelClients } from './kernel-clients.ts'
import type { RequestRest, Turn } from './ports.ts'
import type { Wire } from './wire.ts'

/** Milliseconds after which it is asked again: the event may have been lost to a full ring. */
const ASK_AGAIN_MS = 250

type Parts = {
  ask: KernelAsk
  clients: KernelClients
  /** The relay's end of an upstream; undefined = it has gone. */
  upstream(index: number): Wire | undefined
}

export class Turns {
  private readonly parts: Parts
  private readonly waiting = new Map<bigint, () => void>()

  constructor(parts: Parts) {
    this.parts = parts
  }

  turn(cookie: bigint): Turn {
    return {
      take: () => {
        const begun = this.parts.ask.begin(cookie)
        const rest = begun.rest ? this.rest(cookie) : undefined
        // What is lost is broken off: nobody waits for the response to it.
        const done = begun.response && rest !== 'lost' ? this.wait(cookie) : Promise.resolve()
        return { done, rest }
      },
      offer: (read, written) => void this.parts.ask.offer(cookie, read, written),
    }
  }

  /** EVENT_TURN, or the upstream has ended: what a client waited for is over. */
  come(cookie: bigint): void {
    this.waiting.get(cookie)?.()
  }

  private rest(cookie: bigint): RequestRest | 'lost' {
    const body = this.parts.clients.bodyOf(cookie)
    const upstream = body && this.parts.upstream(body.upstream)
    return body && upstream ? { body: body.rest, upstream } : 'lost'
  }

  private async wait(cookie: bigint): Promise<void> {
    do {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, ASK_AGAIN_MS)
        this.waiting.set(cookie, () => {
          clearTimeout(timer)
          resolve()
        })
      })
      this.waiting.delete(cookie)
    } while (this.parts.ask.begin(cookie).response)
  }
}
