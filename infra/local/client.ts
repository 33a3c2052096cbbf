/**
 * The load client: its own process in a client's namespace. Each connection
 * sends its next request as soon as the last response is complete, and every
 * response, error and end of connection is counted. Raw sockets, so that
 * nothing retries, pools or hides what happened on the wire.
 *
 *     node dist/infra/local/client.js CONFIG.json
 */
import { readFileSync } from 'node:fs'
import { createConnection, createServer, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { ClientConfig, type Lane, type LaneStats } from './client-contract.ts'

/** A refused or broken connection comes back after this: soon, but never a storm. */
const RECONNECT_MS = 20
/** A response that takes longer than this is counted as lost. */
const RESPONSE_DEADLINE_MS = 5_000
const TROUBLES_KEPT = 5

let stopping = false

function requestBytes(lane: Lane): Buffer {
  const head = [
    `${lane.method} ${lane.path} HTTP/1.1`,
    `Host: ${lane.node}.demo.internal`,
    'User-Agent: heddle-client',
    ...(lane.bodyBytes > 0 ? [`Content-Length: ${lane.bodyBytes}`] : []),
  ]
  return Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`), Buffer.alloc(lane.bodyBytes, 'b')])
}

/** Reads responses framed by Content-Length; `feed` gives those that are complete. */
class ResponseReader {
  private pending = ''

  feed(chunk: string): { status: number; closes: boolean }[] {
    this.pending += chunk
    const complete = []
    for (;;) {
      const headEnd = this.pending.indexOf('\r\n\r\n')
      if (headEnd < 0) return complete
      const head = this.pending.slice(0, headEnd)
      const length = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0)
      const end = headEnd + 4 + length
      if (this.pending.length < end) return complete
      this.pending = this.pending.slice(end)
      complete.push({ status: Number(head.slice(9, 12)), closes: /\r\nconnection: *close/i.test(head) })
    }
  }
}

class Connection {
  private readonly lane: Lane
  private readonly stats: LaneStats
  private readonly request: Buffer
  private socket: Socket | undefined
  private sentAt: number | undefined
  private announcedEnd = false
  done = false

  constructor(lane: Lane, stats: LaneStats, request: Buffer) {
    this.lane = lane
    this.stats = stats
    this.request = request
    this.connect()
  }

  private trouble(text: string): void {
    this.stats.troubles = [...this.stats.troubles, `${new Date().toISOString()} ${text}`].slice(
      -TROUBLES_KEPT,
    )
  }

  private connect(): void {
    const socket = createConnection({ host: this.lane.address, port: this.lane.port, noDelay: true })
    const reader = new ResponseReader()
    let connected = false
    this.socket = socket
    this.announcedEnd = false
    socket.setEncoding('latin1')
    socket.on('connect', () => {
      connected = true
      this.stats.connects++
      this.stats.open++
      this.send()
    })
    socket.on('data', (chunk) => {
      for (const response of reader.feed(String(chunk))) this.answered(response)
    })
    socket.on('error', (error) => {
      if (!connected) this.stats.connectErrors++
      if (!this.announcedEnd && !stopping) this.trouble(error.message)
    })
    socket.on('close', () => {
      if (connected) this.stats.open--
      this.ended(connected)
    })
  }

  private send(): void {
    if (stopping) {
      this.finish()
      return
    }
    this.stats.requests++
    this.sentAt = performance.now()
    this.socket?.write(this.request)
  }

  private answered(response: { status: number; closes: boolean }): void {
    const { stats } = this
    if (this.sentAt === undefined) this.trouble(`a response (${response.status}) that no request asked for`)
    else stats.slowestMs = Math.max(stats.slowestMs, performance.now() - this.sentAt)
    this.sentAt = undefined
    stats.status[response.status] = (stats.status[response.status] ?? 0) + 1
    if (response.status === 403) stats.firstRefusedAtMs ??= Date.now()
    if (response.closes) {
      this.announcedEnd = true
      this.socket?.end()
    } else this.send()
  }

  private ended(connected: boolean): void {
    if (this.sentAt !== undefined) {
      this.stats.lost++
      this.trouble('the connection ended in the middle of a request')
    }
    if (connected && !this.announcedEnd && !stopping) this.stats.broken++
    this.sentAt = undefined
    if (stopping) this.done = true
    else setTimeout(() => this.connect(), RECONNECT_MS)
  }

  private finish(): void {
    this.socket?.end()
    this.done = true
  }

  /** Called now and then: counts a response that does not come, and lets an idle connection stop. */
  check(): void {
    if (this.sentAt === undefined) {
      if (stopping && !this.done) this.finish()
    } else if (performance.now() - this.sentAt > RESPONSE_DEADLINE_MS) {
      this.trouble(`no response within ${RESPONSE_DEADLINE_MS} ms`)
      this.socket?.destroy()
    }
  }
}

function newStats(lane: Lane): LaneStats {
  const counts = { open: 0, requests: 0, connects: 0, connectErrors: 0, lost: 0, broken: 0 }
  const { name, node, connections } = lane
  return {
    name,
    node,
    connections,
    ...counts,
    status: {},
    firstRefusedAtMs: null,
    slowestMs: 0,
    troubles: [],
  }
}

const config = ClientConfig.parse(JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')))
const stats = config.lanes.map(newStats)
const connections = config.lanes.flatMap((lane, index) =>
  Array.from({ length: lane.connections }, () => {
    return new Connection(lane, stats[index] as LaneStats, requestBytes(lane))
  }),
)
setInterval(() => {
  for (const connection of connections) connection.check()
}, 100)

/** Let every request in flight be answered, then say the final counts. */
async function stop(): Promise<void> {
  stopping = true
  while (connections.some((connection) => !connection.done)) await sleep(10)
}

createServer((peer) => {
  peer.on('error', () => peer.destroy())
  peer.on('data', async (line) => {
    if (String(line).trim() === 'stop') {
      await stop()
      peer.end(`${JSON.stringify(stats)}\n`, () => process.exit(0))
    } else peer.write(`${JSON.stringify(stats)}\n`)
  })
}).listen(config.socket)
