/**
 * The rest of a response whose beginning the kernel has handed to the client: from its upstream,
 * as fast as the client reads, to its end.
 */
import { BadResponse, ResponseReader, type ResponseRest } from './response-reader.ts'
import type { Wire, WireOwner } from './wire.ts'

/** `closes`: the response ended where its connection did, and the client has to be told so. */
export type RestEnd = { kind: 'done'; closes: boolean } | { kind: 'broken' }

export class RestOfResponse implements WireOwner {
  private readonly client: Wire
  private readonly upstream: Wire
  private readonly reader: ResponseReader
  private readonly over: (end: RestEnd) => void
  private ending: RestEnd | undefined

  /** `over` is called once. */
  constructor(client: Wire, upstream: Wire, rest: ResponseRest, over: (end: RestEnd) => void) {
    this.client = client
    this.upstream = upstream
    this.reader = new ResponseReader({ head: false, upgrade: false }, rest)
    this.over = over
    upstream.owner = this
  }

  bytes(chunk: Buffer): void {
    if (this.ending) return
    try {
      const at = this.reader.body(chunk, 0)
      if (at > 0) this.client.write(chunk.subarray(0, at))
    } catch (error) {
      if (!(error instanceof BadResponse)) throw error
      this.end({ kind: 'broken' })
      return
    }
    if (this.reader.phase === 'done') this.end({ kind: 'done', closes: false })
    else if (this.client.backlog > 0) this.upstream.pause()
  }

  ended(): void {
    this.end(this.reader.phase === 'to-close' ? { kind: 'done', closes: true } : { kind: 'broken' })
  }

  drained(): void {}

  gone(): void {
    this.end({ kind: 'broken' })
  }

  clientDrained(): void {
    this.upstream.resume()
  }

  /** Nobody waits for it any more. */
  abort(): void {
    this.ending = { kind: 'broken' }
    this.upstream.reset()
  }

  /** Its connection meets no later request: bytes came by it that were not meant for the relay. */
  private end(end: RestEnd): void {
    if (this.ending) return
    this.ending = end
    this.upstream.destroy()
    this.over(end)
  }
}
