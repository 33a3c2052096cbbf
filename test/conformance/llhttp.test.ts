/**
 * Nothing that the canonical parser accepts is read in another way by llhttp,
 * which many servers behind it use: same requests, same bodies, no error.
 */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { createHttp1Parser, type Http1Event, parseHttp1 } from '../../pipelines/protocols/http1.ts'
import { canonicalStream, damagedStream, latin1, text } from './http1-streams.ts'
import { type NodeReading, readByNode } from './node-http.ts'

const DEEP = process.env['HEDDLE_DEEP'] === '1'
const CORPUS = process.env['HEDDLE_CORPUS'] ?? '../shared/corpus'
const VECTORS = `${CORPUS}/llhttp/vectors.json`

type Head = Extract<Http1Event, { kind: 'head' }>
const headsOf = (events: Http1Event[]) => events.filter((event): event is Head => event.kind === 'head')

/** In Node's terms. llhttp drops blanks around values as we do. */
const told = ({ request }: Head) => ({
  method: text(request.method),
  target: text(request.target),
  fields: request.fields.flatMap(({ name, value }) => [text(name), text(value)]),
})

/**
 * Where llhttp takes less than RFC 9110 lets a server take. None of it can be read in
 * two ways: llhttp knows a list of methods, and ends a connection at `Connection: close`.
 */
function stricter({ error }: NodeReading): string | undefined {
  // Also of a message whose head is not whole yet.
  if (error === 'HPE_INVALID_METHOD') return 'unknown method'
  return error === 'HPE_CLOSED_CONNECTION' ? 'after close' : undefined
}

type Count = Record<string, number>
const count = (counts: Count, name: string) => {
  counts[name] = (counts[name] ?? 0) + 1
}

async function compare(stream: Uint8Array, counts: Count): Promise<void> {
  const parser = createHttp1Parser()
  const events = parser.push(stream)
  const heads = headsOf(events)
  const refused = events.some(({ kind }) => kind === 'refused')
  count(counts, refused ? 'refused by us' : 'accepted by us')
  if (heads.length === 0) return
  const reading = await readByNode(stream)
  const shown = JSON.stringify(text(stream))
  const why = stricter(reading)
  const common = Math.min(heads.length, why === undefined ? heads.length : reading.requests.length)
  assert.deepEqual(
    reading.requests.slice(0, common).map(({ body: _, ...request }) => request),
    heads.slice(0, common).map(told),
    shown,
  )
  if (why !== undefined) {
    if (!refused) count(counts, `llhttp stricter: ${why}`)
    return
  }
  const ends = events.filter(({ kind }) => kind === 'end').length
  for (const [index, head] of heads.slice(0, ends).entries()) {
    if (head.body.framing === 'length') assert.equal(reading.requests[index]?.body, head.body.length, shown)
  }
  // What only a whole head tells (a length with chunks) llhttp may say earlier than we do.
  if (!refused && parser.pending() === 0) {
    assert.equal(reading.error, undefined, shown)
    assert.equal(reading.requests.length, heads.length, shown)
  }
}

describe('against llhttp in Node', () => {
  test('canonical streams are read alike', async (context) => {
    const counts: Count = {}
    const property = fc.asyncProperty(canonicalStream, async (stream) => {
      assert.ok(!parseHttp1(stream).some(({ kind }) => kind === 'refused'), text(stream))
      await compare(stream, counts)
    })
    await fc.assert(property, { seed: 20262, numRuns: DEEP ? 50_000 : 500 })
    context.diagnostic(JSON.stringify(counts))
  })

  test('damaged streams that we accept are read alike', async (context) => {
    const counts: Count = {}
    const property = fc.asyncProperty(damagedStream, (stream) => compare(stream, counts))
    await fc.assert(property, { seed: 20263, numRuns: DEEP ? 200_000 : 2_000 })
    context.diagnostic(JSON.stringify(counts))
    assert.ok((counts['accepted by us'] ?? 0) > 50, 'damage must leave something to compare')
  })
})

type Vector = {
  file: string
  name: string
  meta: { type?: string }
  input_hex: string
  error_code: number | null
  log: string[]
}

/** Paused for an upgrade, or data after `Connection: close`: no error of syntax. */
const NOT_SYNTAX = [null, 5, 21, 22, 23]

/** Values of a span of llhttp's log, its parts joined. */
function spans(log: string[], name: string): string[] {
  const values: string[] = []
  let open = false
  for (const line of log) {
    const part = new RegExp(`span\\[${name}\\]="(.*)"$`).exec(line)?.[1]
    if (part !== undefined) {
      values.push((open ? values.pop() : '') + part)
      open = true
    } else if (line.endsWith(`${name} complete`)) open = false
  }
  return values
}

describe("llhttp's own vectors", { skip: existsSync(VECTORS) ? false : 'no corpus' }, () => {
  const cases: Vector[] = existsSync(VECTORS) ? JSON.parse(readFileSync(VECTORS, 'utf8')).cases : []
  const requests = cases.filter(({ meta }) => meta.type === 'request')

  /** As given, and with a Host put in: most vectors have none. */
  const forms = ({ input_hex }: Vector): Uint8Array[] => {
    const given = Uint8Array.from(Buffer.from(input_hex, 'hex'))
    const hosted = text(given).replaceAll(/( HTTP\/1\.1\r\n)(?!Host)/g, '$1Host: a\r\n')
    return [given, latin1(hosted)]
  }

  test('what we accept, llhttp reads alike; what llhttp refuses, we refuse', (context) => {
    const counts: Count = { vectors: requests.length }
    for (const vector of requests) {
      for (const [index, stream] of forms(vector).entries()) {
        const parser = createHttp1Parser()
        const events = parser.push(stream)
        const heads = headsOf(events)
        const refused = events.some(({ kind }) => kind === 'refused')
        const outcome = refused ? 'refused' : parser.pending() > 0 ? 'unfinished' : 'accepted'
        count(counts, `${index === 0 ? 'as given' : 'with Host'}: ${outcome}`)
        if (outcome !== 'accepted' || heads.length === 0) continue
        const where = `${vector.file}: ${vector.name}`
        assert.ok(
          NOT_SYNTAX.includes(vector.error_code),
          `${where}: llhttp refuses it (${vector.error_code})`,
        )
        const seen = Math.min(heads.length, spans(vector.log, 'url').length)
        assert.ok(seen > 0, where)
        assert.deepEqual(
          heads.slice(0, seen).map((head) => text(head.request.target)),
          spans(vector.log, 'url').slice(0, seen),
          where,
        )
        assert.deepEqual(
          heads.slice(0, seen).map((head) => text(head.request.method)),
          spans(vector.log, 'method').slice(0, seen),
          where,
        )
      }
    }
    context.diagnostic(JSON.stringify(counts))
    assert.ok(requests.length > 50)
  })
})
