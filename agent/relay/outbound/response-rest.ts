/**
 * The rest of a response whose beginning the kernel has handed to the client: from its upstream,
 * as fast as the client reads, to its end. Or all of it, where the kernel could not change its head.
 */
import type { HeadEdit } from './ports.ts'
import { BadResponse, ResponseReader, type ResponseRest, type UneditedResponse } from './response-reader.ts'
import type { Wire, WireOwner } from './wire.ts'

/** `closes`: the response ended where its connection did, and the client has to be told so. */
export type RestEnd = { kind: 'done'; closes: boolean } | { kind: 'broken' }

export type Rest = ResponseRest | (UneditedResponse & { change: HeadEdit })

export class RestOfResponse implements WireOwner {
  private readonly client: Wire
  private readonly upstream: Wire
  private readonly reader: ResponseReader
  private readonly over: (end: RestEnd) => void
  private readonly edit: HeadEdit | undefined
  private closes = false
  private ending: RestEnd | undefined

  /** `over` is called once. */
  constructor(client: Wire, upstream: Wire, rest: Rest, over: (end: RestEnd) => void) {
    this.client = client
    this.upstream = upstream
    this.edit = rest.framing === 'head' ? rest.change : undefined
    this.reader =
      rest.framing === 'head'
        ? new ResponseReader(rest.asked)
        : new ResponseReader({ head: false, upgrade: false }, rest)
    this.over = over
    upstream.owner = this
  }

  bytes(chunk: Buffer): void {
    if (this.ending) return
    try {
      this.pass(chunk)
    } catch (error) {
      if (!(error instanceof BadResponse)) throw error
      this.end({ kind: 'broken' })
      return
    }
    if (this.reader.phase === 'done') this.end({ kind: 'done', closes: this.closes })
    else if (this.client.backlog > 0) this.upstream.pause()
  }

  private pass(chunk: Buffer): void {
    let from = 0
    while (this.reader.phase === 'head' && from < chunk.length) {
      const found = this.reader.head(chunk, from)
      if (!found) return
      const { head, bytes, at } = found
      const final = head.status >= 200
      this.client.write(final && this.edit ? Buffer.from(this.edit(bytes)) : bytes)
      if (final) this.closes = !head.persistent
      from = at
    }
    const end = this.reader.body(chunk, from)
    if (end > from) this.client.write(chunk.subarray(from, end))
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
