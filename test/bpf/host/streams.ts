/** Streams of requests: canonical ones, then damaged, with lengths around every limit; all from one seed. */
import { Limit } from '../../../bpf/abi/heddle.gen.ts'

/** mulberry32: small, and the same everywhere. */
export class Random {
  private state: number

  constructor(seed: number) {
    this.state = seed >>> 0
  }
  /** 0..below-1 */
  below(below: number): number {
    this.state = (this.state + 0x6d2b79f5) >>> 0
    let x = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state)
    x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x
    return ((x ^ (x >>> 14)) >>> 0) % below
  }
  chance(percent: number): boolean {
    return this.below(100) < percent
  }
  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T
  }
}

const METHODS = [
  'GET',
  'GET',
  'POST',
  'HEAD',
  'OPTIONS',
  'PUT',
  'PRI',
  'CONNECT',
  'M-SEARCH',
  'A'.repeat(32),
  'b'.repeat(33),
]
const TARGETS = [
  '/',
  '/public',
  '/public/1?a=b&c',
  '/publi',
  '*',
  '/%00~!',
  '//x',
  'http://x/',
  '/a b',
  '/#',
  '',
]
const VERSIONS = ['HTTP/1.1', 'HTTP/1.1', 'HTTP/1.1', 'HTTP/1.0', 'HTTP/1.2', 'HTTP/2.0', 'http/1.1']
const FIELDS = [
  'Host: x',
  'hOST:x',
  'Host:',
  'Host: y',
  'A: b',
  'A:',
  'a:\t b \t',
  'Connection: close',
  'Connection: upgrade',
  'Upgrade: websocket',
  'Upgrade: h2c',
  'Upgrade: xh2C, a',
  'Upgrade: h 2c',
  'Content-Length: 5',
  'Content-Length: 0',
  'content-length:  007 ',
  'Content-Length: 999999999999999',
  'Content-Length: 9999999999999999',
  'Content-Length: 1 1',
  'Content-Length:',
  'Transfer-Encoding: chunked',
  'transfer-encoding: CHUNKED ',
  'Transfer-Encoding: chunkedx',
  'Transfer-Encoding: gzip',
  'Transfer-Encoding:',
  'Transfer-Encoding:\tchunked',
  'Transfer-Encoding: chunked\t',
  'Content-Length:\t5',
  'Content-Length: 5\t',
  'Content-Lengthy: 4',
  'Content-Lengt: 4',
  ' folded',
  'Name : x',
  ': x',
  'no colon',
  'obs: \x80\xff',
]
const TRAILERS = [
  'X: y',
  'A:',
  'Host: x',
  'Content-Length: 4',
  'Connection: x',
  'Upgrade: y',
  'Transfer-Encoding: chunked',
  'Cookie: 1',
]
const EXTENSIONS = [
  '',
  '',
  ';a',
  ';a=b',
  ';a="b c"',
  ';a="b";c',
  ';',
  ';=',
  ';a=',
  ';a="',
  ';a="\\""',
  '; a',
  ';a=b c',
  ' ;a',
]
const ODD_BYTES = [...'\r\n\t \0:;="\\#,*/0aZ~\x16\x7f\x80\xff'].map((c) => c.charCodeAt(0))
/** Lengths where something ends: a window, an eight-byte step, a head, an extension. */
const EDGES = [7, 8, 9, 31, 32, 33, Limit.MAX_CHUNK_EXT, Limit.WINDOW, Limit.MAX_HEAD]

const near = (random: Random, edge: number) => Math.max(0, edge - 60 + random.below(64))

function longText(random: Random): string {
  return random.pick(['a', 'a', '\x80', ' ', '\t']).repeat(near(random, random.pick(EDGES)))
}

function fields(random: Random, likely: readonly string[]): string {
  let lines = ''
  for (let i = random.below(4); i > 0; i--) lines += `${random.pick(likely)}\r\n`
  if (random.chance(4)) lines += `L: ${longText(random)}\r\n`
  return lines
}

function chunk(random: Random, size: number): string {
  const extension = random.chance(3)
    ? `;${longText(random)}`
    : random.chance(80)
      ? ''
      : random.pick(EXTENSIONS)
  const digits = size.toString(16).padStart(random.pick([1, 1, 1, 4, 15, 16]), '0')
  return `${random.chance(50) ? digits.toUpperCase() : digits}${extension}\r\n${'d'.repeat(size)}`
}

function chunkedBody(random: Random): string {
  let body = ''
  for (let i = random.below(4); i > 0; i--)
    body += `${chunk(random, 1 + random.below(random.chance(5) ? 9000 : 20))}\r\n`
  return `${body}${chunk(random, 0)}${random.chance(70) ? '' : fields(random, TRAILERS)}\r\n`
}

function canonicalMessage(random: Random): string {
  const method = random.pick(['GET', 'POST', 'HEAD', 'PUT'])
  const head = `${method} ${random.pick(TARGETS.slice(0, 4))} HTTP/1.1\r\n${random.pick(['Host: x', 'Host: y'])}\r\n`
  const extra = random.chance(30) ? `A: ${random.chance(20) ? longText(random) : 'b c'}\r\n` : ''
  const body = random.below(3)
  if (body === 0) return `${head}${extra}\r\n`
  if (body === 1) return `${head}${extra}Transfer-Encoding: chunked\r\n\r\n${chunkedBody(random)}`
  const size = random.chance(10) ? near(random, random.pick(EDGES)) : random.below(20)
  return `${head}${extra}Content-Length: ${size}\r\n\r\n${'d'.repeat(size)}`
}

function oddMessage(random: Random): string {
  const line = `${random.pick(METHODS)} ${random.pick(TARGETS)} ${random.pick(VERSIONS)}\r\n`
  const host = random.chance(80) ? 'Host: x\r\n' : ''
  const body = random.pick(['', 'hello', '1234567', chunkedBody(random)])
  return `${line}${host}${fields(random, FIELDS)}\r\n${body}`
}

function damage(random: Random, bytes: Buffer): Buffer {
  const at = random.below(bytes.length + 1)
  const byte = Buffer.from([random.chance(80) ? random.pick(ODD_BYTES) : random.below(256)])
  const [before, after] = [bytes.subarray(0, at), bytes.subarray(at)]
  switch (random.below(5)) {
    case 0:
      return Buffer.concat([before, byte, after])
    case 1:
      return Buffer.concat([before, byte, after.subarray(1)])
    case 2:
      return Buffer.concat([before, after.subarray(1)])
    case 3:
      return before
    default:
      return Buffer.concat([before, after.subarray(random.below(8)), before.subarray(-random.below(8) - 1)])
  }
}

/** One to four messages on a connection, most of them canonical, some damaged. */
export function requestStream(random: Random): Buffer {
  if (random.chance(25)) return canonicalStream(random)
  let text = random.chance(1)
    ? '\x16\x03\x01'
    : random.chance(2)
      ? 'PRI * HTTP/2.0\r\n\r\n'
      : random.chance(1)
        ? 'QUIT\r\n'
        : ''
  for (let i = 1 + random.below(4); i > 0; i--)
    text += random.chance(60) ? canonicalMessage(random) : oddMessage(random)
  let bytes: Buffer = Buffer.from(text, 'latin1')
  if (random.chance(50)) for (let i = 1 + random.below(3); i > 0; i--) bytes = damage(random, bytes)
  return bytes
}

/** Only what is canonical: no damage, no odd choice. */
function canonicalStream(random: Random): Buffer {
  const messages = Array.from({ length: 1 + random.below(4) }, () => canonicalMessage(random))
  return Buffer.from(messages.join(''), 'latin1')
}

/** Lengths of segments that add up to `total`: whole, byte by byte, or anything between. */
export function segmentation(random: Random, total: number): number[] {
  const style = random.below(4)
  if (style === 0 || total === 0) return [Math.max(total, 1)]
  if (style === 1 && total < 2_000) return Array<number>(total).fill(1)
  const cuts: number[] = []
  for (let left = total; left > 0; ) {
    const limit = style === 2 ? 16 : random.pick([20, 200, 5_000, 70_000])
    const size = Math.min(left, 1 + random.below(limit))
    cuts.push(size)
    left -= size
  }
  return cuts
}
