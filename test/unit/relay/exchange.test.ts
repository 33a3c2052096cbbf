/** The proxy's connection over real sockets: the same bytes, the same verdicts, the same order as the kernel. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { after, before, test } from 'node:test'
import fc from 'fast-check'
import { Exchange, type RelayVerdict } from '../../../agent/relay/exchange.ts'
import type { CopySink } from '../../../agent/relay/outbound/copy-sink.ts'
import type { Context, WantedCopy } from '../../../agent/relay/verdicts.ts'
import { createHttp1Parser } from '../../../pipelines/protocols/http1.ts'

const RUNS = process.env['HEDDLE_DEEP'] === '1' ? 2_000 : 60

const isPublic = (target: Uint8Array) => Buffer.from(target).toString('latin1').startsWith('/public')
const PUBLIC: Context = {
  kind: 'judge',
  opaque: false,
  allows: ({ target }) => isPublic(target),
  take: ({ target }) => (isPublic(target) ? 'allow' : 'deny'),
  mirrored: () => [{ service: 1, ratio: 1_000_000 }],
}

let received: Buffer[] = []
let upstream: Server
let front: Server
let context: Context = PUBLIC
let verdicts: RelayVerdict[] = []
/** Whole requests, of those that are copied. */
let copies: string[] = []
function copied(wanted: readonly WantedCopy[]): CopySink | undefined {
  const parts: Buffer[] = []
  const end = () => copies.push(Buffer.concat(parts).toString('latin1'))
  return wanted.length === 0 ? undefined : { add: (bytes) => parts.push(Buffer.from(bytes)), end }
}

/** Answers each complete request with its number and target; /upgrade with 101, then echoes. */
function answer(socket: Socket): void {
  const parser = createHttp1Parser()
  const targets: string[] = []
  let echo = false
  socket.on('error', () => {})
  socket.on('data', (bytes) => {
    received.push(bytes)
    if (echo) {
      socket.write(bytes)
      return
    }
    for (const event of parser.push(bytes)) {
      if (event.kind === 'head') targets.push(Buffer.from(event.request.target).toString('latin1'))
      if (event.kind !== 'end') continue
      const target = targets.shift() ?? ''
      echo = target === '/public/upgrade'
      const body = `<${target}>`
      if (echo) socket.write('HTTP/1.1 101 Switching Protocols\r\n\r\n')
      else socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`)
    }
  })
  socket.on('end', () => socket.end())
}

before(async () => {
  upstream = createServer({ allowHalfOpen: true }, answer).listen(0, '127.0.0.1')
  await once(upstream, 'listening')
  const { port } = upstream.address() as AddressInfo
  front = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (client) => {
    const server = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    server.once('connect', () => {
      new Exchange({
        ...{ client, server, context: () => context },
        count: (verdict) => verdicts.push(verdict),
        copy: copied,
      })
      client.resume()
    })
  }).listen(0, '127.0.0.1')
  await once(front, 'listening')
})
after(() => {
  front.close()
  upstream.close()
})

const at = (server: Server) => ({ port: (server.address() as AddressInfo).port, host: '127.0.0.1' })

type Talk = { text: string; end: 'FIN' | 'RST'; received: string; verdicts: RelayVerdict[] }

/** Sends the parts, each when the one before is written, then FIN; reads until the other side ends. */
async function talk(parts: string[], during: Context = PUBLIC): Promise<Talk> {
  received = []
  verdicts = []
  copies = []
  context = during
  const socket = connect({ ...at(front), allowHalfOpen: true })
  socket.setNoDelay(true)
  let text = ''
  let end: Talk['end'] = 'FIN'
  socket.setEncoding('latin1')
  socket.on('data', (part: string) => {
    text += part
  })
  socket.on('error', () => {
    end = 'RST'
  })
  const over = new Promise<void>((resolve) => {
    socket.on('end', resolve)
    socket.on('close', () => resolve())
  })
  for (const part of parts)
    await new Promise<void>((resolve) => socket.write(part, 'latin1', () => resolve()))
  socket.end()
  await over
  socket.destroy()
  return { text, end, received: Buffer.concat(received).toString('latin1'), verdicts }
}

function cut(text: string, places: number[]): string[] {
  const at = [...new Set([0, ...places.map((place) => place % text.length), text.length])].sort(
    (a, b) => a - b,
  )
  return at.slice(0, -1).map((from, i) => text.slice(from, at[i + 1]))
}

const statuses = (text: string) =>
  [...text.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status]) => Number(status))

const ALLOWED = [
  'GET /public HTTP/1.1\r\nHost: x\r\n\r\n',
  'POST /public/a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello',
  'POST /public/b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
]
const REFUSED: [string, number][] = [
  ['GET /secret HTTP/1.1\r\nHost: x\r\n\r\n', 403],
  ['GET /public HTTP/1.1\r\nHost : x\r\n\r\n', 400],
  [`GET /public HTTP/1.1\r\nHost: x\r\nA: ${'b'.repeat(17_000)}\r\n\r\n`, 431],
]

test('allowed requests arrive as they came, a refusal ends the connection behind the last owed response', async () => {
  const property = fc.asyncProperty(
    fc.array(fc.constantFrom(...ALLOWED), { maxLength: 4 }),
    fc.option(fc.constantFrom(...REFUSED), { nil: undefined }),
    fc.array(fc.nat(), { maxLength: 5 }),
    async (before, refused, places) => {
      const rest = refused === undefined ? '' : `${refused[0]}${ALLOWED[0]}`
      if (before.length === 0 && rest === '') return
      const said = await talk(cut(before.join('') + rest, places))
      assert.deepEqual(statuses(said.text), [...before.map(() => 200), ...(refused ? [refused[1]] : [])])
      assert.equal(said.received, before.join(''))
      assert.deepEqual(copies, before)
    },
  )
  await fc.assert(property, { seed: 11, numRuns: RUNS })
})

test('a bad chunk is answered in the place of the response, and the server never sees the message end', async () => {
  const head = 'POST /public HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n'
  const said = await talk([`${ALLOWED[0]}${head}`, '5\r\nhello\r\n', 'zz\r\n'])
  assert.deepEqual(statuses(said.text), [200, 400])
  assert.ok(!said.received.includes('zz'))
  assert.deepEqual(copies, [ALLOWED[0]])
})

test('TLS is reset without a word, HTTP/2 is told 400', async () => {
  const tls = await talk(['\x16\x03\x01\x00\x05\x01'])
  assert.deepEqual([tls.text, tls.received], ['', ''])
  assert.deepEqual(statuses((await talk(['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'])).text), [400])
})

test('where the policy lets other protocols pass they pass, but only where a connection begins with one', async () => {
  const opaque: Context = { ...PUBLIC, opaque: true } as Context
  const tls = await talk(['\x16\x03\x01', '\x00\x05\x01'], opaque)
  assert.equal(tls.received, '\x16\x03\x01\x00\x05\x01')
  assert.deepEqual(statuses((await talk(['GET /public HTTP/1.1\nHost: x\r\n\r\n'], opaque)).text), [400])
})

test('where no rule judges, anything passes', async () => {
  const said = await talk(['hello\n', 'world\n'], { kind: 'pass', mirrored: () => [] })
  assert.equal(said.received, 'hello\nworld\n')
})

test('after 101 bytes pass both ways', async () => {
  received = []
  context = PUBLIC
  const socket = connect(at(front))
  socket.setEncoding('latin1')
  let text = ''
  const until = async (end: string) => {
    while (!text.endsWith(end)) text += (await once(socket, 'data'))[0] as string
  }
  socket.write('GET /public/upgrade HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n')
  await until('\r\n\r\n')
  socket.write('GET /secret HTTP/9.9\n\n')
  await until('GET /secret HTTP/9.9\n\n')
  socket.destroy()
})

test('a connection that becomes denied is reset at its next message', async () => {
  assert.deepEqual((await talk([ALLOWED[0] as string], { kind: 'drop' })).text, '')
  assert.deepEqual(verdicts, ['dropped'])
})
