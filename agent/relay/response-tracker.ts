/**
 * Follows the responses of one connection (RFC 9112) only to know where each
 * ends: a local reply stands behind the last that is owed. Safety never depends
 * on it; what can't be followed is passed on and no reply is put in between.
 */
import { Limit } from '../../bpf/abi/heddle.gen.ts'

/** Bytes of a response head or a chunk line that are kept to be read. */
const MAX_KEPT = 4 * Limit.MAX_HEAD

type Phase = 'head' | 'length' | 'chunk-size' | 'chunk-data' | 'trailer' | 'to-close' | 'lost' | 'tunnel'

export class ResponseTracker {
  phase: Phase = 'head'
  private kept = ''
  private remaining = 0
  private readonly wasHead: () => boolean

  /** `wasHead`: was the oldest request that is owed a response a HEAD? */
  constructor(wasHead: () => boolean) {
    this.wasHead = wasHead
  }

  /** Between two responses: nothing of the next has been seen. */
  get atStart(): boolean {
    return this.phase === 'head' && this.kept === ''
  }

  /** The server said something that nobody asked for (408, another protocol): there is no order to keep. */
  lose(): void {
    if (this.phase !== 'tunnel') this.phase = 'lost'
  }

  /** Looks at `bytes` from `at` on until one response ends. Its end's offset, or undefined. */
  next(bytes: Buffer, at: number): number | undefined {
    let from = at
    while (from < bytes.length) {
      if (this.phase === 'to-close' || this.phase === 'lost' || this.phase === 'tunnel') return undefined
      if (this.phase === 'length' || this.phase === 'chunk-data') {
        const take = Math.min(this.remaining, bytes.length - from)
        this.remaining -= take
        from += take
        if (this.remaining > 0) return undefined
        if (this.phase === 'length') return this.end(from)
        this.phase = 'chunk-size'
        continue
      }
      const line = bytes.indexOf(10, from)
      this.kept += bytes.toString('latin1', from, line < 0 ? bytes.length : line + 1)
      if (this.kept.length > MAX_KEPT) this.phase = 'lost'
      if (line < 0 || this.phase === 'lost') return undefined
      from = line + 1
      if (this.line()) return this.end(from)
    }
    return undefined
  }

  private end(at: number): number {
    this.phase = 'head'
    this.kept = ''
    return at
  }

  /** One more line is there. True = the response ends with it. */
  private line(): boolean {
    if (this.phase === 'head') return /\r?\n\r?\n$/.test(this.kept) && this.head()
    const line = this.kept.replace(/\r?\n$/, '')
    this.kept = ''
    if (this.phase === 'trailer') return line === ''
    const size = /^([0-9a-f]{1,13})[ \t]*(?:;.*)?$/i.exec(line)?.[1]
    if (size === undefined) {
      this.phase = 'lost'
      return false
    }
    this.remaining = Number.parseInt(size, 16) + 2
    this.phase = this.remaining === 2 ? 'trailer' : 'chunk-data'
    return false
  }

  private head(): boolean {
    const head = this.kept
    this.kept = ''
    const status = Number(/^HTTP\/1\.[01] (\d{3})[ \r]/.exec(head)?.[1])
    if (Number.isNaN(status)) this.phase = 'lost'
    else if (status === 101) this.phase = 'tunnel'
    else if (status >= 200) return this.body(head, status)
    return false
  }

  private body(head: string, status: number): boolean {
    if (this.wasHead() || status === 204 || status === 304) return true
    const encoding = /\r?\ntransfer-encoding:[ \t]*([^\r\n]*)/i.exec(head)?.[1]
    const length = /\r?\ncontent-length:[ \t]*(\d{1,15})[ \t]*\r?\n/i.exec(head)?.[1]
    if (encoding !== undefined) {
      this.phase = /(^|,)[ \t]*chunked[ \t]*$/i.test(encoding) ? 'chunk-size' : 'to-close'
    } else if (length === undefined) {
      this.phase = 'to-close'
    } else {
      this.remaining = Number(length)
      this.phase = 'length'
      return this.remaining === 0
    }
    return false
  }
}
