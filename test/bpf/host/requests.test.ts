/** The kernel's request parser against the reference: same heads, same ends, same refusals, however cut. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { buildParser, type Parser, type Vector } from './harness.ts'
import { referenceEvents, sameEvents } from './reference.ts'
import { NAMED_HOST } from '../vm/hand-tables.ts'
import { Random, requestStream, segmentation } from './streams.ts'

const SEED = 20_261_123
const STREAMS = process.env['HEDDLE_DEEP'] === '1' ? 200_000 : 4_000
/** Streams made and judged at a time, so that deep runs stay small in memory. */
const STEP = 2_000

const request = (bytes: Buffer, cuts: number[]): Vector => ({ kind: 'request', bytes, cuts })
/** Parser events without the closing `phase:`. */
const eventsOf = (line: string[]) => line.slice(0, -1)
const shown = (bytes: Buffer) => JSON.stringify(bytes.toString('latin1')).slice(0, 4_000)

/** Names and values are read 8 and 32 bytes at a time: the ends of these, and what lies around them. */
const NAME_PLACES = [0, 1, 6, 7, 8, 9, 15, 16, 24, 31, 32]
const VALUE_PLACES = [0, 1, 7, 8, 15, 16, 24, 31, 32, 63, 64]

const withField = (line: Buffer) =>
  Buffer.concat([Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n'), line, Buffer.from('\r\nA: b\r\n\r\n')])

/** Each byte value at each of these places of a text. */
const everyByte = (places: readonly number[], line: (text: Buffer) => Buffer[]): Buffer[] =>
  places.flatMap((place) =>
    Array.from({ length: 256 }, (_, byte) => {
      const text = Buffer.alloc(place + 3, 'n')
      text[place] = byte
      return withField(Buffer.concat(line(text)))
    }),
  )

describe('requests, as the kernel parses them', () => {
  let parser: Parser
  before(async () => {
    parser = await buildParser()
  })
  after(() => parser?.remove())

  test('agree with the reference byte for byte, however they are cut', async (context) => {
    const random = new Random(SEED)
    let [accepted, refused] = [0, 0]
    for (let done = 0; done < STREAMS; done += STEP) {
      const vectors = Array.from({ length: STEP }, () => {
        const bytes = requestStream(random)
        return request(bytes, segmentation(random, bytes.length))
      })
      const results = await parser.run(vectors)
      for (const [i, vector] of vectors.entries()) {
        const kernel = eventsOf(results[i] ?? [])
        const reference = referenceEvents(vector.bytes)
        if (!sameEvents(kernel, reference, vector.bytes))
          assert.deepEqual(kernel, reference, `${shown(vector.bytes)} cut ${vector.cuts.slice(0, 200)}`)
        if (reference.some((event) => event.startsWith('refuse'))) refused++
        else accepted++
      }
    }
    // A generator that only makes one kind would prove nothing.
    assert.ok(accepted > STREAMS / 5 && refused > STREAMS / 5, `${accepted} accepted, ${refused} refused`)
    context.diagnostic(`${STREAMS} streams: ${accepted} accepted, ${refused} refused, no difference`)
  })

  test('every split in two, and byte by byte, gives the same events', async () => {
    const random = new Random(SEED + 1)
    const streams = Array.from({ length: 60 }, () => requestStream(random)).filter(
      ({ length }) => length < 400,
    )
    assert.ok(streams.length > 20)
    for (const bytes of streams) {
      const splits = Array.from({ length: Math.max(0, bytes.length - 1) }, (_, i) => [
        i + 1,
        bytes.length - i - 1,
      ])
      const cuts = [[bytes.length], Array<number>(bytes.length).fill(1), ...splits]
      const [whole, ...others] = await parser.run(cuts.map((cut) => request(bytes, cut)))
      for (const [i, other] of others.entries())
        assert.deepEqual(eventsOf(other), eventsOf(whole ?? []), `${shown(bytes)} cut ${cuts[i + 1]}`)
    }
  })

  test('every byte at the places of a name and of a value where a step ends', async () => {
    const streams = [
      ...everyByte(NAME_PLACES, (name) => [name, Buffer.from(': v')]),
      ...everyByte(VALUE_PLACES, (value) => [Buffer.from('name: '), value]),
    ]
    const results = await parser.run(streams.map((bytes) => request(bytes, [bytes.length])))
    for (const [i, bytes] of streams.entries())
      assert.deepEqual(eventsOf(results[i] ?? []), referenceEvents(bytes), shown(bytes))
  })

  test('blanks around a value that rules name do not change its class', async () => {
    const values = [NAMED_HOST, `${NAMED_HOST} `, `${NAMED_HOST} \t `, ` ${NAMED_HOST}`, `${NAMED_HOST}x`]
    const streams = values.map((host) => Buffer.from(`GET / HTTP/1.1\r\nHost: ${host}\r\nA: b\r\n\r\n`))
    const results = await parser.run(streams.map((bytes) => request(bytes, [bytes.length])))
    for (const [i, bytes] of streams.entries())
      assert.deepEqual(eventsOf(results[i] ?? []), referenceEvents(bytes), shown(bytes))
  })
})
