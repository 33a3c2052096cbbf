/**
 * Strict reference parser of the canonical HTTP/1.1 subset. The kernel's parser
 * is tested against it byte for byte.
 *
 * When a violation is reported: at the first byte, left to right, that no
 * canonical continuation contains. A limit is broken by the byte that exceeds
 * it, and is looked at before the byte itself. What only the whole head tells
 * is reported at its last LF, in this order: no Host in 1.1 (bad-host),
 * length-and-chunked, Transfer-Encoding in 1.0 (bad-transfer-encoding). A second
 * Host, Content-Length or Transfer-Encoding, and a field that trailers may not
 * have, are reported at the colon behind the name. All that is wrong
 * with a chunk, its line endings too, is bad-chunk.
 *
 * Around the values of Content-Length and Transfer-Encoding, blanks are SP only: an
 * HTAB there is refused.
 *
 * Only the first head of a connection may turn out to be TLS (first byte 0x16,
 * RFC 8446 5.1), HTTP/2 (`PRI * HTTP/2.0`, RFC 9113 3.4) or another protocol: a
 * binary first byte, or a first line of one word. What a lenient server could
 * take for a request (`EHLO host` has the form of HTTP/0.9) is refused as one.
 */
import { type Cursor, newCursor, newMessage, type OtherProtocol, STEPS, type State } from './http1-states.ts'
import { REFUSALS, type RefusalReason } from './http1-grammar.ts'
import type { Request } from './http1-request.ts'

/** Offsets count from the stream's first byte; `at` of head and message ends is behind their last byte. */
export type Http1Event =
  | { kind: 'head'; request: Request; start: number; at: number; body: Body }
  | { kind: 'end'; start: number; at: number }
  | { kind: 'refused'; reason: RefusalReason; status: 400 | 431; start: number; at: number }
  | { kind: OtherProtocol; at: number }

/** How the end of the message is found. */
export type Body = { framing: 'none' | 'chunked' } | { framing: 'length'; length: number }

export interface Http1Parser {
  /**
   * Take the next bytes, however they were cut; tell what became known. After
   * refused or another protocol (whose `at` names the byte itself) nothing follows.
   */
  push(bytes: Uint8Array): Http1Event[]
  /** Bytes taken that belong to no finished message: 0 when the stream may end here. */
  pending(): number
}

function bodyOf(cursor: Cursor): Body {
  if (cursor.seen.encoding) return { framing: 'chunked' }
  if (cursor.seen.length && cursor.length > 0) return { framing: 'length', length: cursor.length }
  return { framing: 'none' }
}

function requestOf(cursor: Cursor): Request {
  return {
    method: Uint8Array.from(cursor.method),
    target: Uint8Array.from(cursor.target),
    version: cursor.version,
    fields: cursor.fields,
  }
}

/** Data bytes are skipped in one go; returns how many. */
function skipData(cursor: Cursor, available: number): number {
  const count = cursor.remaining < BigInt(available) ? Number(cursor.remaining) : available
  cursor.remaining -= BigInt(count)
  return count
}

/** Within a message whose beginning somebody else has read: bytes of its body, or of its chunk, to come. */
export type MessageRest = { framing: 'length' | 'chunk'; remaining: number }

/**
 * A parser at the start of a connection, or within a body. `takesH2c`: heads that offer h2c are whole, and
 * the caller sees to it that nobody takes the offer up; else they are refused.
 */
export function createHttp1Parser(rest?: MessageRest, { takesH2c = false } = {}): Http1Parser {
  let state: State | 'stopped' = 'method'
  let cursor = newCursor(takesH2c)
  let at = 0
  if (rest !== undefined) {
    state = rest.framing === 'length' ? 'body' : 'chunk-data'
    cursor = { ...newMessage(0, takesH2c), remaining: BigInt(rest.remaining) }
  }

  const finish = (events: Http1Event[]) => {
    events.push({ kind: 'end', start: cursor.start, at })
    cursor = newMessage(at, takesH2c)
    state = 'method'
  }

  /** One byte through the state it meets; `at` still names that byte. */
  const step = (byte: number, events: Http1Event[]) => {
    const outcome = STEPS[state as State](cursor, byte)
    if (typeof outcome === 'object') {
      state = 'stopped'
      if ('refused' in outcome) {
        const reason = outcome.refused
        events.push({ kind: 'refused', reason, status: REFUSALS[reason], start: cursor.start, at })
      } else events.push({ kind: outcome.found, at })
      return
    }
    at += 1
    state = outcome
    if (outcome === 'head-done') {
      const body = bodyOf(cursor)
      events.push({ kind: 'head', request: requestOf(cursor), start: cursor.start, at, body })
      if (body.framing === 'none') finish(events)
      else {
        cursor.remaining = BigInt(cursor.length)
        state = body.framing === 'chunked' ? 'chunk-size' : 'body'
      }
    } else if (outcome === 'trailer-done') finish(events)
  }

  return {
    push(bytes) {
      const events: Http1Event[] = []
      for (let index = 0; index < bytes.length && state !== 'stopped'; ) {
        if (state === 'body' || state === 'chunk-data') {
          const count = skipData(cursor, bytes.length - index)
          index += count
          at += count
          if (cursor.remaining > 0n) continue
          if (state === 'body') finish(events)
          else state = 'data-cr'
        } else step(bytes[index++] as number, events)
      }
      return events
    },
    pending: () => (state === 'stopped' ? 0 : at - cursor.start),
  }
}

/** Everything a whole stream says. */
export function parseHttp1(stream: Uint8Array): Http1Event[] {
  return createHttp1Parser().push(stream)
}
