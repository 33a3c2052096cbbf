/** One copy over one connection: all of it at once, and its response read to the end and thrown away. */
import type { Connector, Target } from '../outbound/ports.ts'
import { BadResponse, ResponseReader } from '../outbound/response-reader.ts'
import { NOBODY, type Wire, type WireOwner } from '../outbound/wire.ts'
import type { MirroredRequest } from './mirrored-request.ts'

/** Milliseconds for connection and response together: nobody waits for it, and others want its place. */
const MIRROR_MS = 5_000

export type ReplayEnd = 'delivered' | 'failed' | 'timedOut'

export class Replay implements WireOwner {
  private readonly connector: Connector
  private readonly target: Target
  private readonly copy: MirroredRequest
  private readonly ended_: (end: ReplayEnd) => void
  private readonly deadline: NodeJS.Timeout
  private reader: ResponseReader
  private wire: Wire | undefined
  /** A kept connection may have ended before the copy was there: then once more, by a new one. */
  private tries = 0
  private stays = false
  private over = false

  constructor(connector: Connector, target: Target, copy: MirroredRequest, ended: (end: ReplayEnd) => void) {
    this.connector = connector
    this.target = target
    this.copy = copy
    this.ended_ = ended
    this.reader = this.newReader()
    this.deadline = setTimeout(() => this.end('timedOut'), MIRROR_MS)
    this.attempt()
  }

  bytes(chunk: Buffer): void {
    try {
      this.read(chunk)
    } catch (error) {
      if (!(error instanceof BadResponse)) throw error
      this.end('failed')
    }
  }

  ended(): void {
    if (this.reader.phase === 'to-close') this.end('delivered')
    else this.lost()
  }

  drained(): void {}

  gone(): void {
    this.lost()
  }

  /** Nobody waits for it any more. */
  abort(): void {
    this.end('failed')
  }

  private newReader(): ResponseReader {
    return new ResponseReader({ head: this.copy.head, upgrade: false })
  }

  private attempt(): void {
    this.tries++
    this.connector.take(this.target, this.tries > 1).then(
      (wire) => this.begin(wire),
      () => this.end('failed'),
    )
  }

  private begin(wire: Wire): void {
    if (this.over) {
      this.connector.giveBack(this.target, wire)
      return
    }
    this.wire = wire
    this.reader = this.newReader()
    wire.owner = this
    wire.write(this.copy.bytes)
  }

  private read(chunk: Buffer): void {
    const { reader } = this
    let at = 0
    while (at < chunk.length && reader.phase !== 'done') {
      if (reader.phase !== 'head') {
        at = reader.body(chunk, at)
        continue
      }
      const found = reader.head(chunk, at)
      if (!found) return
      this.stays = found.head.persistent && this.copy.request.version === '1.1'
      at = found.at
    }
    if (reader.phase !== 'done') return
    this.stays &&= at === chunk.length && this.wire?.backlog === 0
    this.end('delivered')
  }

  private lost(): void {
    if (this.over) return
    this.release(false)
    if (this.tries === 1 && this.reader.untouched) this.attempt()
    else this.end('failed')
  }

  private end(end: ReplayEnd): void {
    if (this.over) return
    this.over = true
    clearTimeout(this.deadline)
    this.release(end === 'delivered' && this.stays)
    this.ended_(end)
  }

  private release(whole: boolean): void {
    const { wire } = this
    this.wire = undefined
    if (!wire) return
    wire.owner = NOBODY
    if (whole) this.connector.giveBack(this.target, wire)
    else wire.destroy()
  }
}
