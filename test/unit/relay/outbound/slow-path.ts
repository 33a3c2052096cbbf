/** A slow path on loopback, with endpoints that do as they are told and a kernel that only takes notes. */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { Outbound } from '../../../../agent/relay/outbound/outbound.ts'
import type { Outcome, Target } from '../../../../agent/relay/outbound/ports.ts'
import { UpstreamPool } from '../../../../agent/relay/outbound/upstream-pool.ts'
import { ReusingSocket } from '../../../../agent/relay/outbound/reusing-socket.ts'
import { WIRE_OPTIONS } from '../../../../agent/relay/outbound/wire.ts'
import { createHttp1Parser, type Http1Event } from '../../../../pipelines/protocols/http1.ts'
import type { Request } from '../../../../pipelines/protocols/http1-request.ts'

export type Head = Extract<Http1Event, { kind: 'head' }>

/** One connection of the relay, as an endpoint sees it. */
export type Seen = { socket: Socket; text: string }

export type Endpoint = {
  target: Target
  /** Connections in the order of their coming. */
  seen: Seen[]
  close(): void
}

/** `on`: called for each read. */
export async function endpoint(on: (seen: Seen, bytes: string) => void): Promise<Endpoint> {
  const seen: Seen[] = []
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    const one: Seen = { socket, text: '' }
    seen.push(one)
    socket.on('error', () => {})
    socket.on('end', () => socket.end())
    socket.on('data', (bytes: Buffer) => {
      one.text += bytes.toString('latin1')
      on(one, bytes.toString('latin1'))
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const close = () => {
    server.close()
    for (const { socket } of seen) socket.destroy()
  }
  return { target: { address: '127.0.0.1', port, identity: 1 }, seen, close }
}

export const textOf = (bytes: Uint8Array) => Buffer.from(bytes).toString('latin1')
export const targetOf = (request: Request) => textOf(request.target)

/** An endpoint of whole requests: `answer` says all bytes of the response. */
export function answering(answer: (request: Request, body: string) => string | undefined): Promise<Endpoint> {
  type Reading = { parser: ReturnType<typeof createHttp1Parser>; head?: Head }
  const readings = new Map<Seen, Reading>()
  return endpoint((seen, bytes) => {
    const reading: Reading = readings.get(seen) ?? { parser: createHttp1Parser() }
    readings.set(seen, reading)
    for (const event of reading.parser.push(Buffer.from(bytes, 'latin1'))) {
      if (event.kind === 'head') reading.head = event
      if (event.kind !== 'end' || !reading.head) continue
      const said = answer(reading.head.request, seen.text.slice(reading.head.at, event.at))
      if (said !== undefined) seen.socket.write(said, 'latin1')
    }
  })
}

export const ok = (body: string, more = '') =>
  `HTTP/1.1 200 OK\r\n${more}Content-Length: ${body.length}\r\n\r\n${body}`

export const to = (
  endpoint: Endpoint,
  more: Partial<Extract<Outcome, { kind: 'forward' }>> = {},
): Outcome => ({
  kind: 'forward',
  targets: [endpoint.target],
  requestTimeout: 0,
  backendTimeout: 0,
  ...more,
})

export type SlowPath = {
  outbound: Outbound
  pool: UpstreamPool
  port: number
  /** What was said to the kernel: `take`, `offer <read> <written>`. */
  turns: string[]
  /** Replaced by tests that let the kernel take its time. */
  kernel: { begin(): Promise<void> }
  complaints: unknown[]
  close(): Promise<void>
}

export async function slowPath(route: (request: Request) => Outcome): Promise<SlowPath> {
  const turns: string[] = []
  const complaints: unknown[] = []
  const kernel = { begin: () => Promise.resolve() }
  const pool = new UpstreamPool(() => performance.now())
  const outbound = new Outbound(pool, (error) => complaints.push(error))
  const turn = {
    take: () => {
      turns.push('take')
      return { done: kernel.begin(), rest: undefined }
    },
    offer: (read: number, written: number) => turns.push(`offer ${read} ${written}`),
  }
  const server: Server = createServer({ ...WIRE_OPTIONS }, (socket) =>
    outbound.take(ReusingSocket.adopt(socket), { turn, router: { route } }),
  )
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const close = async () => {
    server.close()
    await outbound.drain(0)
    pool.close()
  }
  return { outbound, pool, port: (server.address() as AddressInfo).port, turns, kernel, complaints, close }
}

/** A client that says what it is told and keeps all that it hears. */
export class Client {
  readonly socket: Socket
  text = ''
  /** How the other side ended. */
  end: 'FIN' | 'RST' | undefined

  constructor(port: number) {
    this.socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
    this.socket.on('data', (bytes: Buffer) => {
      this.text += bytes.toString('latin1')
    })
    this.socket.on('end', () => {
      this.end ??= 'FIN'
    })
    this.socket.on('error', () => {
      this.end = 'RST'
    })
  }

  say(text: string): void {
    this.socket.write(text, 'latin1')
  }

  /** Everything heard up to and with `mark`. */
  until(mark: string): Promise<string> {
    return this.when(() => this.text.includes(mark))
  }

  untilEnd(): Promise<string> {
    return this.when(() => this.end !== undefined)
  }

  private async when(held: () => boolean): Promise<string> {
    await eventually(held, () => `heard only ${JSON.stringify(this.text.slice(-400))}, ${this.end ?? 'open'}`)
    return this.text
  }

  close(): void {
    this.socket.destroy()
  }
}

/** Milliseconds for what happens at once, on a machine that has other things to do. */
const SOON_MS = 4_000

export async function eventually(held: () => boolean, otherwise: () => string = () => 'never held') {
  for (const end = performance.now() + SOON_MS; !held(); ) {
    if (performance.now() > end) throw new Error(otherwise())
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}
