/**
 * The client's requests, one after another: what the canonical parser says of the
 * bytes, and the bytes themselves until they are taken. Bytes of messages behind the
 * one at hand are held, parsed, until their turn comes.
 */
import type { Request } from '../../../pipelines/protocols/http1-request.ts'
import {
  type Body,
  createHttp1Parser,
  type Http1Event,
  type Http1Parser,
  type MessageRest,
} from '../../../pipelines/protocols/http1.ts'
import { offersH2c, withoutH2cOffer } from './h2c-offer.ts'

export type RequestHead = {
  request: Request
  method: string
  bytes: Buffer
  body: Body
  /** The client asks for more on this connection (RFC 9112 9.3). */
  persistent: boolean
  /** It may wait for a 100 before it sends its body. */
  expects: boolean
  upgrade: boolean
}

/** `part`: what there is of the body. `status` 0 = no HTTP that could be answered. */
export type Found =
  | { kind: 'head'; head: RequestHead }
  | { kind: 'part'; bytes: Buffer; last: boolean }
  | { kind: 'refused'; status: 0 | 400 | 431 }

const NOTHING = Buffer.alloc(0)
const CONNECTION_BYTES = 'connection'.length
const EXPECT_BYTES = 'expect'.length
const UPGRADE_BYTES = 'upgrade'.length

const textOf = (bytes: Uint8Array) =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')

export class RequestReader {
  private readonly parser: Http1Parser
  private readonly events: Http1Event[] = []
  private kept: Buffer = NOTHING
  /** Offset in the stream of kept[0]. */
  private base = 0

  /** `rest`: what comes first is the rest of a body. */
  constructor(rest?: MessageRest) {
    this.parser = createHttp1Parser(rest, { takesH2c: true })
  }

  push(bytes: Buffer): void {
    this.kept = this.kept.length === 0 ? bytes : Buffer.concat([this.kept, bytes])
    for (const event of this.parser.push(bytes)) this.events.push(event)
  }

  /** To be called before the pushed bytes become invalid. */
  keep(): void {
    if (this.kept.length > 0) this.kept = Buffer.from(this.kept)
  }

  /** Bytes that nobody has taken. */
  get held(): number {
    return this.kept.length
  }

  /** Between messages: the next head, if it is whole. */
  next(): Found | undefined {
    const event = this.events.shift()
    if (!event) return undefined
    if (event.kind === 'refused') return { kind: 'refused', status: event.status }
    if (event.kind !== 'head') return { kind: 'refused', status: event.kind === 'tls' ? 0 : 400 }
    // Its end needs no word of its own.
    if (event.body.framing === 'none') this.events.shift()
    return { kind: 'head', head: headOf(event, this.take(event.at)) }
  }

  /** Within a body. */
  part(): Found {
    const event = this.events[0]
    if (event?.kind === 'end') {
      this.events.shift()
      return { kind: 'part', bytes: this.take(event.at), last: true }
    }
    if (event?.kind === 'refused') return { kind: 'refused', status: event.status }
    return { kind: 'part', bytes: this.rest(), last: false }
  }

  /** Whatever there is, parsed or not. */
  rest(): Buffer {
    return this.take(this.base + this.kept.length)
  }

  private take(to: number): Buffer {
    const bytes = this.kept.subarray(0, to - this.base)
    this.kept = this.kept.subarray(to - this.base)
    this.base = to
    return bytes
  }
}

function headOf({ request, body }: Extract<Http1Event, { kind: 'head' }>, bytes: Buffer): RequestHead {
  const head = readHead(request, bytes, body)
  if (!head.upgrade || !offersH2c(request)) return head
  const without = withoutH2cOffer(request, bytes)
  return readHead(without.request, without.bytes, body)
}

function readHead(request: Request, bytes: Buffer, body: Body): RequestHead {
  let said = ''
  let expects = false
  let upgrade = false
  for (const { name, value } of request.fields) {
    // Most names are of another length, and need no reading.
    if (name.length === CONNECTION_BYTES && textOf(name).toLowerCase() === 'connection')
      said += `,${textOf(value)}`
    else if (name.length === EXPECT_BYTES && textOf(name).toLowerCase() === 'expect') expects = true
    else if (name.length === UPGRADE_BYTES && textOf(name).toLowerCase() === 'upgrade') upgrade = true
  }
  const options = said.toLowerCase().split(/[ \t]*,[ \t]*/)
  const stays = request.version === '1.1' || options.includes('keep-alive')
  const persistent = stays && !options.includes('close')
  return { request, method: textOf(request.method), bytes, body, persistent, expects, upgrade }
}
