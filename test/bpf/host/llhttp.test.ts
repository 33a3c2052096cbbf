/** llhttp's own vectors against the kernel's parser: nothing that it rejects is completed. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { buildParser, type Parser, type Vector } from './harness.ts'
import { referenceEvents } from './reference.ts'

const VECTORS = `${process.env['HEDDLE_CORPUS'] ?? '../shared/corpus'}/llhttp/vectors.json`

type Case = {
  name: string
  file: string
  meta: { type?: string; pause?: string; skipBody?: boolean }
  input_hex: string
  error_code: number | null
  error_reason: string | null
  log: string[]
}

/** Codes of llhttp that are no rejection: it stops to let its caller act (upgrade, CONNECT, HTTP/2). */
const PAUSES = [21, 22, 23, 31]

/** Offsets behind each message that llhttp completed. */
const completed = (log: string[]) =>
  log.flatMap((line) => (line.endsWith('message complete') ? [Number(/^off=(\d+)/.exec(line)?.[1])] : []))

const endsOf = (events: string[]) =>
  events.flatMap((event) => /^end@(\d+)/.exec(event)?.[1] ?? []).map(Number)
const refused = (events: string[]) => events.some((event) => event.startsWith('refuse'))
const isPause = ({ error_code }: Case) => error_code !== null && PAUSES.includes(error_code)

/** The corpus has lost the empty last line of inputs that end with one: the log goes on where they end. */
function whole({ input_hex, log }: Case): Buffer {
  const given = Buffer.from(input_hex, 'hex')
  const last = Math.max(0, ...log.map((line) => Number(/^off=(\d+)/.exec(line)?.[1] ?? 0)))
  return last > given.length ? Buffer.concat([given, Buffer.from('\r\n')]) : given
}

/** Most vectors have no Host, which alone would have them refused. */
function withHost(stream: Buffer): Buffer {
  const text = stream.toString('latin1')
  return Buffer.from(text.replaceAll(/( HTTP\/1\.1\r\n)(?!Host)/g, '$1Host: a\r\n'), 'latin1')
}

describe('vectors of llhttp', { skip: existsSync(VECTORS) ? false : `no ${VECTORS}: 1 suite` }, () => {
  let parser: Parser
  let cases: Case[] = []
  const events = new Map<Case, { given: string[]; hosted: string[] }>()
  const eventsOf = (one: Case) => events.get(one) ?? { given: [], hosted: [] }
  before(async () => {
    parser = await buildParser()
    const all = (JSON.parse(readFileSync(VECTORS, 'utf8')) as { cases: Case[] }).cases
    // Leniency is what a strict parser has not.
    cases = all.filter(({ meta }) => meta.type === 'request')
    const vector = (bytes: Buffer): Vector => ({ kind: 'request', bytes, cuts: [bytes.length] })
    const given = await parser.run(cases.map((one) => vector(whole(one))))
    const hosted = await parser.run(cases.map((one) => vector(withHost(whole(one)))))
    for (const [i, one] of cases.entries())
      events.set(one, { given: given[i]?.slice(0, -1) ?? [], hosted: hosted[i]?.slice(0, -1) ?? [] })
  })
  after(() => parser?.remove())

  test('no message that strict llhttp rejects is completed', (context) => {
    const rejected = cases.filter((one) => one.error_code !== null && !isPause(one))
    for (const one of rejected) {
      // Not framing: it stops where the connection was announced to end, as its server does.
      if (one.error_reason === 'Data after `Connection: close`') continue
      const { given, hosted } = eventsOf(one)
      const places = completed(one.log)
      const beyond = endsOf(given).filter((at) => !places.includes(at))
      assert.deepEqual(beyond, [], `${one.file} ${one.name}`)
      assert.ok(endsOf(hosted).length <= places.length, `with Host: ${one.file} ${one.name}`)
    }
    context.diagnostic(
      `${rejected.length} vectors rejected by llhttp: none completed, with or without a Host`,
    )
    assert.ok(rejected.length > 20)
  })

  test('what llhttp takes and the canonical subset holds is read alike, the rest is refused', (context) => {
    const taken = cases.filter((one) => one.error_code === null || isPause(one))
    const counts = { given: 0, hosted: 0 }
    for (const one of taken) {
      const { given, hosted } = eventsOf(one)
      const where = `${one.file} ${one.name}`
      assert.deepEqual(given, referenceEvents(whole(one)), where)
      assert.deepEqual(hosted, referenceEvents(withHost(whole(one))), `with Host: ${where}`)
      counts.given += refused(given) ? 0 : 1
      counts.hosted += refused(hosted) ? 0 : 1
      // A pause cuts the log short, and skipBody is for replies to HEAD. Else what is complete ends where llhttp says so.
      if (isPause(one) || one.meta.pause !== undefined || one.meta.skipBody) continue
      for (const at of endsOf(given)) assert.ok(completed(one.log).includes(at), `${where} ends at ${at}`)
      if (!refused(hosted))
        assert.equal(endsOf(hosted).length, completed(one.log).length, `with Host: ${where}`)
    }
    const { given, hosted } = counts
    context.diagnostic(
      `${taken.length} vectors taken by llhttp: ${given} canonical as given, ${hosted} with a Host`,
    )
    assert.ok(hosted > taken.length / 2)
  })
})
