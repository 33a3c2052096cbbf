/** Where responses end, as the kernel sees it: every stream is made with its ends known, then cut anyhow. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { ResponsePhase } from '../../../bpf/abi/heddle.gen.ts'
import { buildParser, type Parser, type Vector } from './harness.ts'
import { Random, segmentation } from './streams.ts'

const SEED = 9_112
const STREAMS = process.env['HEDDLE_DEEP'] === '1' ? 100_000 : 2_000

const FIELDS = [
  'Server: nginx',
  'Content-Type: text/html',
  'Content-Lengthy: 9',
  'X-Content-Length: 9',
  'Transfer: chunked',
  'Vary: transfer-encoding: chunked',
  'Set-Cookie: a=b; Path=/',
  `ETag: "${'e'.repeat(70)}"`,
  'A:',
  'b: 1',
]

type Made = { text: string; head: boolean }

const line = (status: number) => `HTTP/1.1 ${status} ${status === 200 ? 'OK' : 'Whatever 1'}\r\n`

function fields(random: Random): string {
  return Array.from({ length: random.below(5) }, () => `${random.pick(FIELDS)}\r\n`).join('')
}

function chunked(random: Random): string {
  let body = ''
  for (let i = random.below(4); i > 0; i--) {
    const size = 1 + random.below(random.chance(10) ? 6_000 : 30)
    body += `${size.toString(16)}${random.pick(['', ';a=b'])}\r\n${'\n'.repeat(size)}\r\n`
  }
  return `${body}0\r\n${random.pick(['', 'X-T: 1\r\n', 'Content-Length: 4\r\n'])}\r\n`
}

/** A response with a body that looks like anything but itself. */
function response(random: Random): Made {
  const interim = random.chance(10) ? `${line(100)}\r\n` : ''
  const size = random.below(random.chance(10) ? 6_000 : 40)
  const body = 'HTTP/1.1 200\r\n\r\n'.repeat(400).slice(0, size)
  const length = `${random.pick(['Content-Length', 'content-length'])}:${random.pick([' ', ''])}${size}\r\n`
  const coding = `${random.pick(['Transfer-Encoding: chunked', 'transfer-encoding:Chunked'])}\r\n`
  const [before, behind] = [fields(random), fields(random)]
  switch (random.below(4)) {
    case 0:
      return { text: `${interim}${line(200)}${before}${length}${behind}\r\n${body}`, head: false }
    case 1:
      return {
        text: `${interim}${line(200)}${before}${coding}${behind}\r\n${chunked(random)}`,
        head: false,
      }
    case 2:
      return { text: `${line(200)}${before}${random.pick([length, coding])}\r\n`, head: true }
    default:
      return {
        text: `${line(random.pick([204, 304]))}${before}${random.pick(['', length])}\r\n`,
        head: false,
      }
  }
}

function stream(random: Random): Vector & { ends: number[]; last: number } {
  let [text, headBits] = ['', '']
  const ends: number[] = []
  for (let i = 1 + random.below(5); i > 0; i--) {
    const made = response(random)
    text += made.text
    headBits += made.head ? '1' : '0'
    ends.push(text.length)
  }
  // No length and not chunked: the body ends with the connection, and nothing can follow it.
  const toClose = random.chance(15)
  if (toClose)
    text += `${line(200)}${fields(random)}\r\n${'HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n'.repeat(3)}`
  const bytes = Buffer.from(text, 'latin1')
  const last = toClose ? ResponsePhase.RESPONSE_TO_CLOSE : ResponsePhase.RESPONSE_START
  return { kind: 'response', bytes, cuts: segmentation(random, bytes.length), headBits, ends, last }
}

describe('responses, as the kernel follows them', () => {
  let parser: Parser
  before(async () => {
    parser = await buildParser()
  })
  after(() => parser?.remove())

  test('end where they were made to end, however they are cut', async () => {
    const random = new Random(SEED)
    for (let done = 0; done < STREAMS; done += 2_000) {
      const vectors = Array.from({ length: 2_000 }, () => stream(random))
      const results = await parser.run(vectors)
      for (const [i, { bytes, cuts, ends, last }] of vectors.entries())
        assert.deepEqual(
          results[i],
          [...ends.map((at) => `end@${at}`), `phase:${last}`],
          `${JSON.stringify(bytes.toString('latin1')).slice(0, 3_000)} cut ${cuts.slice(0, 200)}`,
        )
    }
  })

  test('after a change of protocol nothing is followed', async () => {
    const bytes = Buffer.from(
      `${line(101)}Upgrade: websocket\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n`,
    )
    const [events] = await parser.run([{ kind: 'response', bytes, cuts: [bytes.length], headBits: '00' }])
    const end = bytes.indexOf('\r\n\r\n') + 4
    assert.deepEqual(events, [`tunnel@${end}`, `phase:${ResponsePhase.RESPONSE_LOST}`])
  })
})
