/** Byte streams of canonical requests, and damage done to them. */
import fc from 'fast-check'

export const latin1 = (text: string) => Uint8Array.from(text, (character) => character.charCodeAt(0))
export const text = (bytes: Uint8Array) => Buffer.from(bytes).toString('latin1')

const TOKEN = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
const characters = (from: string, options: { minLength?: number; maxLength: number }) =>
  fc.array(fc.constantFrom(...from), options).map((list) => list.join(''))
const visible = Array.from({ length: 94 }, (_, index) => String.fromCharCode(0x21 + index)).join('')
const valueBytes = `\t ${visible}\x80\xe9\xff`

const name = characters(TOKEN, { minLength: 1, maxLength: 12 }).map((rest) => `X-${rest}`)
const value = characters(valueBytes, { maxLength: 20 })
const blank = fc.constantFrom('', ' ', '\t', '  ')
const field = fc
  .tuple(name, blank, value, blank)
  .map((parts) => `${parts[0]}:${parts[1]}${parts[2]}${parts[3]}\r\n`)
const fields = fc.array(field, { maxLength: 4 }).map((list) => list.join(''))
const target = characters(visible.replace('#', ''), { maxLength: 24 }).map((rest) => `/${rest}`)

const data = characters(`${valueBytes}\r\n`, { maxLength: 40 })
const extension = fc.constantFrom('', ';a', ';a=b', ';a="b c";d')
const chunk = fc
  .tuple(data, extension, fc.constantFrom('', '0', '000'))
  .map(([bytes, tail, zeros]) =>
    bytes === '' ? '' : `${zeros}${bytes.length.toString(16)}${tail}\r\n${bytes}\r\n`,
  )
const chunks = fc
  .tuple(fc.array(chunk, { maxLength: 3 }), extension, fields)
  .map(([list, tail, trailers]) => `${list.join('')}0${tail}\r\n${trailers}\r\n`)

type Shape = { frame: string; body: string }
const shape: fc.Arbitrary<Shape> = fc.oneof(
  fc.constant({ frame: '', body: '' }),
  data.map((body) => ({ frame: `Content-Length: ${body.length}\r\n`, body })),
  data.map((body) => ({ frame: `content-LENGTH:  00${body.length} \r\n`, body })),
  chunks.map((body) => ({ frame: 'Transfer-Encoding: Chunked\r\n', body })),
)

/** One request; HTTP/1.1, so that the connection stays open. */
const request = fc
  .tuple(fc.constantFrom('GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'M-SEARCH'), target, fields, fields, shape)
  .map(([method, path, before, after, { frame, body }]) => {
    return `${method} ${path} HTTP/1.1\r\n${before}Host: a\r\n${after}${frame}\r\n${body}`
  })
const asterisk = fc.constant('OPTIONS * HTTP/1.1\r\nHost:\r\n\r\n')

export const canonicalStream = fc
  .array(fc.oneof({ weight: 9, arbitrary: request }, { weight: 1, arbitrary: asterisk }), {
    minLength: 1,
    maxLength: 3,
  })
  .map((list) => latin1(list.join('')))

const SPICES = [
  ...[
    '\r',
    '\n',
    '\r\n',
    ' ',
    '\t',
    ':',
    '\0',
    '\x7f',
    '\xff',
    '#',
    ',',
    ';',
    '"',
    '0',
    '1',
    'f',
    '+',
    '-',
    'x',
  ],
  ...['Content-Length: 1\r\n', 'Transfer-Encoding: chunked\r\n', 'Host: b\r\n', 'Transfer-Encoding: x\r\n'],
  ...[
    'Upgrade: h2c\r\n',
    'Content-Length : 1\r\n',
    'HTTP/1.0',
    'HTTP/1.1',
    '0\r\n\r\n',
    'GET / HTTP/1.1\r\n',
  ],
]

/** A canonical stream with a few bytes inserted, replaced or cut. */
export const damagedStream = fc
  .tuple(
    canonicalStream,
    fc.array(fc.tuple(fc.nat(), fc.nat(4), fc.constantFrom(...SPICES)), { minLength: 1, maxLength: 3 }),
  )
  .map(([stream, edits]) => {
    let result = text(stream)
    for (const [where, cut, spice] of edits) {
      const at = where % (result.length + 1)
      result = result.slice(0, at) + spice + result.slice(at + cut)
    }
    return latin1(result)
  })
