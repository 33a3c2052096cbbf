/** Everything is allowed but /admin…, and what of a stream a server may understand: by reference parser and evaluator. */
import { evaluate } from '../../../pipelines/policy/evaluate.ts'
import type { Policy } from '../../../pipelines/policy/model.ts'
import { createHttp1Parser } from '../../../pipelines/protocols/http1.ts'
import { fieldValues } from '../../../pipelines/protocols/http1-request.ts'
import { CALLER } from './outbound-fixture.ts'

const source = { file: 'smuggling.yaml', line: 1, column: 1 }
const everybody = { source, peers: null, ports: null }

export const POLICY: Policy = {
  name: 'no-admin',
  namespace: 'shop',
  source,
  subject: { namespaces: ['shop'], requirements: [] },
  unparsed: 'refuse',
  selects: true,
  allow: [{ ...everybody, http: [{ source, headers: [] }] }],
  deny: [{ ...everybody, http: [{ source, path: '/admin.*', headers: [] }] }],
}

/** `whole`: to the end of its body. Bodies are without chunks' lines; latin1. */
export type Understood = { method: string; target: string; body: string; whole: boolean }

type Read = Understood & { denied: boolean; upgrade: boolean }

/**
 * `requests`: the allowed ones in order, the last perhaps without its end. `refusal`: what we answer by ourselves.
 * `replies`: how many come in any case; a server that does not switch protocols may read nothing behind the offer.
 */
export type Expected = { requests: Understood[]; refusal: string | undefined; replies: number }

const CONNECTION = {
  subject: CALLER,
  peer: undefined,
  peerAddress: '127.0.0.1',
  port: 80,
  protocol: 'TCP',
} as const
const text = (bytes: Uint8Array) => Buffer.from(bytes).toString('latin1')

/** Inbound a denial is the end; on its client's side it is a reply, and offers of h2c are taken out. */
export type Side = 'inbound' | 'client'

/** What there is to understand of the bytes of one connection, sent from the side named. */
export function expected(stream: Uint8Array, side: Side): Expected {
  const parser = createHttp1Parser(undefined, { takesH2c: side === 'client' })
  const read: Read[] = []
  const body = new BodyReader()
  let refusal: string | undefined
  for (const byte of stream) {
    const [event, end] = parser.push(Uint8Array.of(byte))
    if (event === undefined) body.push(byte)
    else if (event.kind === 'head') {
      const { method, target } = event.request
      const denied = evaluate({ policies: [POLICY], routes: [] }, CONNECTION, event.request).kind !== 'allow'
      if (denied) refusal = 'denied'
      if (denied && side === 'inbound') return told(read, refusal, 1)
      const upgrade = fieldValues(event.request, 'upgrade').length > 0
      read.push({
        method: text(method),
        target: text(target),
        body: '',
        whole: end !== undefined,
        denied,
        upgrade,
      })
      body.start(event.body.framing)
    } else if (event.kind === 'end') {
      body.push(byte)
      close(read.at(-1), body, true)
    } else {
      close(read.at(-1), body, false)
      return told(read, event.kind === 'refused' ? event.reason : event.kind, 1)
    }
  }
  close(read.at(-1), body, false)
  return told(read, refusal, 0)
}

function close(last: Understood | undefined, body: BodyReader, whole: boolean): void {
  if (last === undefined || last.whole) return
  last.body = body.read()
  last.whole = whole
}

/** `more`: replies behind those to whole requests. */
function told(read: Read[], refusal: string | undefined, more: number): Expected {
  const requests = read
    .filter(({ denied }) => !denied)
    .map(({ method, target, body, whole }) => ({ method, target, body, whole }))
  const offered = read.findIndex(({ upgrade, whole }) => upgrade && whole)
  const replies = offered < 0 ? read.filter(({ whole }) => whole).length + more : offered + 1
  return { requests, refusal, replies }
}

/** The data of a body that the parser has let pass, whose framing is therefore canonical. */
class BodyReader {
  private held: number[] = []
  private chunked = false

  start(framing: 'none' | 'length' | 'chunked'): void {
    this.chunked = framing === 'chunked'
    this.held = []
  }

  push(byte: number): void {
    this.held.push(byte)
  }

  read(): string {
    const raw = text(Uint8Array.from(this.held))
    if (!this.chunked) return raw
    let data = ''
    for (let at = 0; ; ) {
      const end = raw.indexOf('\r\n', at)
      const size = Number.parseInt(raw.slice(at, end), 16)
      if (end < 0 || !(size > 0)) return data
      data += raw.slice(end + 2, end + 2 + size)
      at = end + 2 + size + 2
    }
  }
}
