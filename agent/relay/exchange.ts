/**
 * One client's connection to a workload in mode relay, and the relay's own
 * connection to the server behind it. Every byte of a request is forwarded as it
 * came, after its head was judged; a refusal ends the connection, behind the
 * responses that are owed. Bodies stream: each side is read only as fast as the
 * other takes.
 */
import type { Socket } from 'node:net'
import { Limit } from '../../bpf/abi/heddle.gen.ts'
import { createHttp1Parser, type Http1Event } from '../../pipelines/protocols/http1.ts'
import type { Limited } from './kernel-limits.ts'
import { limitedFields } from './limited-fields.ts'
import { ResponseTracker } from './response-tracker.ts'
import type { CopySink } from './outbound/copy-sink.ts'
import { auditVerdict, type Context, type WantedCopy } from './verdicts.ts'

export type ExchangePorts = {
  client: Socket
  server: Socket
  /** Asked anew for each message. */
  context(): Context
  count(verdict: RelayVerdict): void
  /** Where the request goes besides, of those that are let in. */
  copy(wanted: readonly WantedCopy[]): CopySink | undefined
}

export type RelayVerdict = 'allowed' | 'passed' | 'denied' | 'limited' | 'refused' | 'dropped'

type Head = Extract<Http1Event, { kind: 'head' }>

/** The same bytes as the kernel's reply (bpf/protocols/http1/reply.h). */
const FIELDS = 'Server: heddle\r\nConnection: close\r\nContent-Length:'
const REPLIES = {
  403: `HTTP/1.1 403 Forbidden\r\n${FIELDS}       0\r\n\r\n`,
  400: `HTTP/1.1 400 Bad Request\r\n${FIELDS}     0\r\n\r\n`,
  431: `HTTP/1.1 431 Too Large\r\n${FIELDS}       0\r\n\r\n`,
} as const

/** 0 = an end without an answer. */
type ReplyStatus = 0 | keyof typeof REPLIES
type Reply = ReplyStatus | Limited

const LIMITED = 'HTTP/1.1 429 Too Many Requests\r\nServer: heddle\r\nConnection: close\r\n'

function replyText(said: Exclude<Reply, 0>): string {
  if (typeof said === 'number') return REPLIES[said]
  return `${LIMITED}${limitedFields(said)}Content-Length:       0\r\n\r\n`
}

/** Milliseconds for responses owed to requests before a refused one. */
const OWED_MS = 60_000
/** Milliseconds that a refused client gets to read its reply and close. */
const REPLY_GRACE_MS = 1_000

export class Exchange {
  private readonly ports: ExchangePorts
  private readonly parser = createHttp1Parser()
  private readonly tracker = new ResponseTracker(() => this.owed[0] ?? false)
  /** For each response owed: was its request a HEAD? */
  private readonly owed: boolean[] = []
  private held: Buffer = Buffer.alloc(0)
  /** Offset in the client's stream of held[0]. */
  private base = 0
  private inBody = false
  /** Bytes pass unread: not HTTP/1 where none is asked for, or after 101. */
  private raw: 'opaque' | 'tunnel' | undefined
  /** Refused; the reply goes out when so many responses are still owed. */
  private reply: { said: Reply; owed: number } | undefined
  private copy: CopySink | undefined
  private over = false

  constructor(ports: ExchangePorts) {
    this.ports = ports
    const { client, server } = ports
    client.on('data', (bytes) => this.guarded(() => this.fromClient(bytes)))
    server.on('data', (bytes) => this.guarded(() => this.fromServer(bytes)))
    client.on('drain', () => server.resume())
    server.on('drain', () => this.paceClient())
    client.on('end', () => this.clientEnded())
    server.on('end', () => this.serverEnded())
    client.on('error', () => this.abort())
    server.on('error', () => this.abort())
    client.on('close', () => this.abort())
    server.on('close', () => this.closed())
  }

  private fromClient(bytes: Buffer): void {
    if (this.reply || this.over) return
    if (this.raw) {
      this.passRaw(bytes)
      return
    }
    this.held = this.held.length === 0 ? bytes : Buffer.concat([this.held, bytes])
    for (const event of this.parser.push(bytes)) {
      this.take(event)
      if (this.reply || this.over) return
      if (this.raw) {
        this.release(this.base + this.held.length)
        return
      }
    }
    if (this.inBody) this.release(this.base + this.held.length)
    this.paceClient()
  }

  private take(event: Http1Event): void {
    if (event.kind === 'head') this.head(event)
    else if (event.kind === 'end') this.endOfMessage(event.at)
    else if (event.kind === 'refused') this.unparsed(event.status, false)
    else this.unparsed(event.kind === 'tls' ? 0 : 400, true)
  }

  private head(event: Head): void {
    const context = this.ports.context()
    if (context.kind === 'drop') {
      this.refuse(0, 'dropped')
      return
    }
    const judged = context.kind === 'judge' ? context.take(event.request) : 'allow'
    context.audit?.(event.request, auditVerdict(context.kind, judged))
    if (judged === 'deny') {
      this.refuse(403, 'denied')
      return
    }
    if (judged !== 'allow') {
      this.refuse(judged, 'limited')
      return
    }
    this.ports.count(context.kind === 'judge' ? 'allowed' : 'passed')
    this.owed.push(Buffer.from(event.request.method).toString('latin1') === 'HEAD')
    this.inBody = event.body.framing !== 'none'
    const wanted = context.mirrored?.(event.request) ?? []
    this.copy = wanted.length === 0 ? undefined : this.ports.copy(wanted)
    this.release(event.at)
  }

  private endOfMessage(at: number): void {
    this.inBody = false
    this.release(at)
    this.copy?.end()
    this.copy = undefined
  }

  /** `other` = another protocol, which a policy may let pass where a connection begins with it. */
  private unparsed(status: ReplyStatus, other: boolean): void {
    const context = this.ports.context()
    // Of what goes wrong in a body, the head was told.
    if (!this.inBody) context.audit?.('unparsed', 'unread')
    if (context.kind === 'pass' || (context.kind === 'judge' && context.opaque && other)) {
      this.raw = 'opaque'
      return
    }
    this.refuse(status, context.kind === 'drop' ? 'dropped' : 'refused')
  }

  private passRaw(bytes: Buffer): void {
    if (this.raw === 'opaque') {
      const context = this.ports.context()
      if (context.kind === 'drop' || (context.kind === 'judge' && !context.opaque)) {
        this.refuse(0, 'refused')
        return
      }
    }
    if (!this.ports.server.write(bytes)) this.ports.client.pause()
  }

  /** Forwards held bytes up to an offset of the stream. */
  private release(to: number): void {
    const bytes = this.held.subarray(0, to - this.base)
    this.held = this.held.subarray(to - this.base)
    this.base = to
    if (bytes.length === 0) return
    this.ports.server.write(bytes)
    this.copy?.add(bytes)
  }

  private paceClient(): void {
    const { client, server } = this.ports
    if (server.writableNeedDrain || this.owed.length >= Limit.MAX_OWED) client.pause()
    else client.resume()
  }

  private refuse(said: Reply, verdict: RelayVerdict): void {
    this.ports.count(verdict)
    // A message whose head has gone to the server: the reply takes the place of its response.
    this.reply = { said, owed: this.inBody ? 1 : 0 }
    this.held = Buffer.alloc(0)
    if (said === 0) this.abort()
    else if (this.owed.length <= this.reply.owed) this.sendReply()
    else this.awaitOwed()
  }

  /** The rest of what the client says is dropped meanwhile. */
  private awaitOwed(): void {
    const { client } = this.ports
    client.resume()
    const deadline = setTimeout(() => this.abort(), OWED_MS)
    client.once('close', () => clearTimeout(deadline))
  }

  /** Only between two responses is there a place for it. */
  private sendReply(): void {
    const { client, server } = this.ports
    if (!this.reply || this.over) return
    if (!this.tracker.atStart) {
      this.abort()
      return
    }
    this.over = true
    if (this.reply.said === 0) return
    client.end(replyText(this.reply.said))
    client.resume()
    server.destroy()
    // Not an idle timer: what a client goes on sending must not keep the connection.
    const grace = setTimeout(() => client.destroy(), REPLY_GRACE_MS)
    client.once('close', () => clearTimeout(grace))
  }

  private fromServer(bytes: Buffer): void {
    if (this.over) return
    let at = 0
    let cut = bytes.length
    if (this.owed.length === 0) this.tracker.lose()
    for (let end = this.tracker.next(bytes, at); end !== undefined; end = this.tracker.next(bytes, at)) {
      at = end
      this.owed.shift()
      if (this.reply && this.owed.length <= this.reply.owed) {
        cut = at
        break
      }
      if (this.owed.length === 0 && at < bytes.length) this.tracker.lose()
    }
    if (this.tracker.phase === 'tunnel' && !this.reply && !this.inBody) this.tunnel()
    if (cut > 0 && !this.ports.client.write(bytes.subarray(0, cut))) this.ports.server.pause()
    if (this.reply && this.owed.length <= this.reply.owed) this.sendReply()
    else if (!this.raw) this.paceClient()
  }

  private tunnel(): void {
    this.raw = 'tunnel'
    this.release(this.base + this.held.length)
  }

  private clientEnded(): void {
    if (!this.reply && !this.over) this.ports.server.end()
  }

  private serverEnded(): void {
    if (this.over) return
    // It closes without the responses that it owes: there is no more to wait for.
    if (this.reply && this.tracker.atStart) this.sendReply()
    else this.ports.client.end()
  }

  private closed(): void {
    if (!this.over && !this.ports.client.writableEnded) this.abort()
  }

  /** What breaks on one side breaks on the other: a reset stays a reset. */
  private abort(): void {
    if (this.over) return
    this.over = true
    for (const socket of [this.ports.client, this.ports.server])
      if (!socket.destroyed) socket.resetAndDestroy()
  }

  /** What the relay can't decide is closed. */
  private guarded(act: () => void): void {
    try {
      act()
    } catch (error) {
      this.abort()
      throw error
    }
  }
}
