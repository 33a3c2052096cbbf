/**
 * Finds where the responses to one request begin and end, however their bytes were
 * cut. Strict: a connection that says anything else carries no further request.
 */
import { type Asked, type ResponseHead, readResponseHead } from './response-head.ts'

/** Bytes of a response's head, and of a trailer section. Servers cap theirs at 8 to 64 KB. */
const MAX_HEAD_BYTES = 65_536
/** Bytes of a chunk's line: 15 digits and extensions. */
const MAX_CHUNK_LINE_BYTES = 1_024 + 32

const LF = 0x0a
const CHUNK_LINE = /^([0-9a-f]{1,13})[ \t]*(?:;[\t\x20-\x7e\x80-\xff]*)?\r\n$/i
const TRAILER_LINE = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*\r\n$/
const HEAD_END = Buffer.from('\r\n\r\n')
const NOTHING = Buffer.alloc(0)

type Phase = 'head' | 'length' | 'chunk-line' | 'chunk-data' | 'chunk-end' | 'trailer' | 'to-close' | 'done'

/** `bytes`: the whole head. It began before the chunk at hand where it is longer than what was read of that. */
export type FoundHead = { head: ResponseHead; bytes: Buffer; at: number }

/** Where in a response: so many bytes of its body, or of its chunk with the line end, are to come. */
export type ResponseRest = { framing: 'length' | 'chunk' | 'to-close'; remaining: number }

/** All of a response, whose head has to be changed: `at` is a struct heddle_route_edit of a generation. */
export type UneditedResponse = {
  framing: 'head'
  asked: { head: boolean; upgrade: false }
  edit: { generation: bigint; at: number }
}

/** The server says what no response can say. */
export class BadResponse extends Error {}

export class ResponseReader {
  phase: Phase = 'head'
  private readonly asked: Asked
  private kept: Buffer = NOTHING
  private remaining = 0
  private trailers = 0

  /** `rest`: the response began elsewhere; what comes is the rest of it. */
  constructor(asked: Asked, rest?: ResponseRest) {
    this.asked = asked
    if (rest === undefined) return
    this.phase = rest.framing === 'chunk' ? 'chunk-data' : rest.framing
    this.remaining = rest.remaining
    if (rest.framing !== 'chunk') return
    // The chunk's line end is counted with it.
    this.remaining = Math.max(0, rest.remaining - 2)
    if (this.remaining === 0) this.phase = 'chunk-end'
    if (rest.remaining === 1) this.kept = Buffer.from('\r')
  }

  /** Nothing of a response has been seen. */
  get untouched(): boolean {
    return this.phase === 'head' && this.kept.length === 0
  }

  /** In phase head: the next head in `chunk` from `from` on; undefined = more of it must come. */
  head(chunk: Buffer, from: number): FoundHead | undefined {
    const before = this.kept.length
    const rest = chunk.subarray(from)
    const bytes = before === 0 ? rest : Buffer.concat([this.kept, rest])
    const blank = bytes.indexOf(HEAD_END, Math.max(0, before - HEAD_END.length + 1))
    const length = blank + HEAD_END.length
    if (blank < 0 ? bytes.length > MAX_HEAD_BYTES : length > MAX_HEAD_BYTES)
      throw new BadResponse('head too large')
    if (blank < 0) {
      // A server that ends lines with LF alone would be waited for until it closes.
      if (/(^|[^\r])\n/.test(bytes.toString('latin1'))) throw new BadResponse('bare LF')
      this.kept = Buffer.from(bytes)
      return undefined
    }
    this.kept = NOTHING
    const head = readResponseHead(bytes.toString('latin1', 0, length), this.asked)
    if (!head) throw new BadResponse('not a response')
    if (head.status >= 200 || head.status === 101) this.begin(head)
    return { head, bytes: bytes.subarray(0, length), at: from + length - before }
  }

  /** Behind a head: the offset in `chunk` up to which bytes are of this response. */
  body(chunk: Buffer, from: number): number {
    let at = from
    while (at < chunk.length) {
      switch (this.phase) {
        case 'length':
        case 'chunk-data':
          at = this.data(at, chunk.length)
          break
        case 'chunk-line':
        case 'chunk-end':
        case 'trailer':
          at = this.line(chunk, at)
          break
        case 'to-close':
          return chunk.length
        case 'head':
        case 'done':
          return at
      }
    }
    return at
  }

  private begin({ framing }: ResponseHead): void {
    this.remaining = framing.kind === 'length' ? framing.length : 0
    if (framing.kind === 'none') this.phase = 'done'
    else this.phase = framing.kind === 'chunked' ? 'chunk-line' : framing.kind
  }

  private data(at: number, end: number): number {
    const count = Math.min(this.remaining, end - at)
    this.remaining -= count
    if (this.remaining === 0) this.phase = this.phase === 'length' ? 'done' : 'chunk-end'
    return at + count
  }

  private line(chunk: Buffer, from: number): number {
    const lf = chunk.indexOf(LF, from)
    const at = lf < 0 ? chunk.length : lf + 1
    const part = chunk.subarray(from, at)
    this.kept = this.kept.length === 0 ? Buffer.from(part) : Buffer.concat([this.kept, part])
    const limit = this.phase === 'trailer' ? MAX_HEAD_BYTES - this.trailers : MAX_CHUNK_LINE_BYTES
    if (this.kept.length > limit) throw new BadResponse('line too long')
    if (lf < 0) return at
    const text = this.kept.toString('latin1')
    this.kept = NOTHING
    this.whole(text)
    return at
  }

  private whole(line: string): void {
    if (this.phase === 'chunk-end') {
      if (line !== '\r\n') throw new BadResponse('bad chunk')
      this.phase = 'chunk-line'
    } else if (this.phase === 'trailer') {
      this.trailers += line.length
      if (line === '\r\n') this.phase = 'done'
      else if (!TRAILER_LINE.test(line)) throw new BadResponse('bad trailer')
    } else {
      const size = CHUNK_LINE.exec(line)?.[1]
      if (size === undefined) throw new BadResponse('bad chunk')
      this.remaining = Number.parseInt(size, 16)
      this.phase = this.remaining === 0 ? 'trailer' : 'chunk-data'
    }
  }
}
