/**
 * A client that never rests: keep-alive, bodies, pipelining. It knows every
 * request that it sent and every answer that came, by connection and number.
 */
import { connect, type Socket } from 'node:net'
import type { Random } from '../../fakes/random.ts'
import { readReplies } from './exchange.ts'

/** One request as the client saw it; status 0 = never answered (only behind a refusal). */
export type Sent = { port: number; number: number; target: string; status: number; body: string }

const PATHS = ['both', 'both', 'both', 'both', 'both', 'both', 'both', 'both', 'odd', 'even']

export class FlipClient {
  readonly log: Sent[] = []
  /** Connections that ended although nothing was refused on them. */
  lost = 0
  private stopping = false
  private readonly target: { port: number; from: string }
  private readonly r: Random
  private readonly answered: () => void

  constructor(target: { port: number; from: string }, r: Random, answered: () => void) {
    this.target = target
    this.r = r
    this.answered = answered
  }

  stop(): void {
    this.stopping = true
  }

  /** Runs until stop(), one connection after the other. */
  async run(): Promise<void> {
    while (!this.stopping) await this.connection()
  }

  private connection(): Promise<void> {
    return new Promise((resolve) => {
      const socket = connect({
        host: '127.0.0.1',
        port: this.target.port,
        localAddress: this.target.from,
        noDelay: true,
      })
      const mine: Sent[] = []
      let bytes = Buffer.alloc(0)
      let read = 0
      let refused = false
      socket.on('connect', () => this.burst(socket, mine))
      socket.on('data', (chunk) => {
        bytes = Buffer.concat([bytes, chunk])
        const replies = readReplies(bytes, [])
        bytes = bytes.subarray(replies.at(-1)?.end ?? 0)
        for (const { status, body } of replies) {
          const sent = mine[read++]
          if (sent) Object.assign(sent, { status, body })
          refused ||= status !== 200
          this.answered()
        }
        if (refused || (this.stopping && read === mine.length)) socket.end()
        else if (read === mine.length) this.burst(socket, mine)
      })
      socket.on('error', () => {})
      socket.on('close', () => {
        if (!refused && !this.stopping) this.lost++
        this.log.push(...mine)
        resolve()
      })
    })
  }

  /** One to four requests at once, cut into one to three writes. */
  private burst(socket: Socket, mine: Sent[]): void {
    let text = ''
    for (let n = 1 + this.r.below(4); n > 0; n--) {
      const number = mine.length + 1
      const target = `/${this.r.pick(PATHS)}/${socket.localPort}/${number}`
      mine.push({ port: socket.localPort ?? 0, number, target, status: 0, body: '' })
      text += this.request(target)
    }
    const at = this.r.below(text.length)
    socket.write(text.slice(0, at), 'latin1')
    socket.write(text.slice(at), 'latin1')
  }

  private request(target: string): string {
    const body = 'b'.repeat(this.r.below(3000))
    switch (this.r.below(3)) {
      case 0:
        return `POST ${target} HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n${body}`
      case 1:
        return `POST ${target} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${body === '' ? '' : `${body.length.toString(16)}\r\n${body}\r\n`}0\r\n\r\n`
      default:
        return `GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`
    }
  }
}
