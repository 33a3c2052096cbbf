/** A response's head, read strictly (RFC 9112 4, 5, 6.3): two readers must not see two responses. */

/** How the end of the response is found. */
export type ResponseFraming = { kind: 'none' | 'chunked' | 'to-close' } | { kind: 'length'; length: number }

export type ResponseHead = {
  status: number
  framing: ResponseFraming
  /** The connection may carry another response behind this one. */
  persistent: boolean
  /** `Connection: keep-alive` is said: what a client of HTTP/1.0 needs to hear. */
  keepAlive: boolean
}

/** The request that is answered. */
export type Asked = {
  head: boolean
  /** It asked for another protocol, so that 101 may answer it. */
  upgrade: boolean
}

const FORM =
  /^HTTP\/1\.([01]) ([1-9]\d\d)(?: [\t\x20-\x7e\x80-\xff]*)?\r\n(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*\r\n)*\r\n$/
const LENGTH = /\r\ncontent-length:([^\r]*)/gi
const ENCODING = /\r\ntransfer-encoding:([^\r]*)/gi
const CONNECTION = /\r\nconnection:([^\r]*)/gi
/** As in requests: what every reader can count. */
const DIGITS = /^[ \t]*(\d{1,15})[ \t]*$/

const valuesOf = (text: string, field: RegExp) => [...text.matchAll(field)].map((found) => found[1] as string)
const words = (values: string[]) => values.flatMap((value) => value.toLowerCase().split(/[ \t]*,[ \t]*/))

/** Undefined = it is none, or says more than one thing. */
export function readResponseHead(text: string, asked: Asked): ResponseHead | undefined {
  const form = FORM.exec(text)
  if (!form) return undefined
  const status = Number(form[2])
  if (status === 101 && !asked.upgrade) return undefined
  const framing = framingOf(text, { status, headless: asked.head, version: form[1] as string })
  if (!framing) return undefined
  const said = words(valuesOf(text, CONNECTION).map((value) => value.trim()))
  const keepAlive = said.includes('keep-alive')
  const stays = form[1] === '1' ? !said.includes('close') : keepAlive && !said.includes('close')
  return { status, framing, keepAlive, persistent: stays && framing.kind !== 'to-close' }
}

function framingOf(
  text: string,
  { status, headless, version }: { status: number; headless: boolean; version: string },
): ResponseFraming | undefined {
  const lengths = valuesOf(text, LENGTH)
  const encodings = valuesOf(text, ENCODING)
  const length = lengths.length === 1 ? DIGITS.exec(lengths[0] as string)?.[1] : undefined
  if (lengths.length > 0 && length === undefined) return undefined
  if (encodings.length > 0 && (lengths.length > 0 || version === '0')) return undefined
  if (headless || status < 200 || status === 204 || status === 304) return { kind: 'none' }
  if (encodings.length > 0) {
    const codings = words(encodings.map((value) => value.trim()))
    if (codings.at(-1) === 'chunked') return { kind: 'chunked' }
    return codings.includes('chunked') ? undefined : { kind: 'to-close' }
  }
  if (length === undefined) return { kind: 'to-close' }
  return Number(length) === 0 ? { kind: 'none' } : { kind: 'length', length: Number(length) }
}
