/** A managed node with a real relay process beside it, and clients that don't close by themselves. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { askRelay } from '../../../agent/relay/stats.ts'
import { ConnectionMap } from '../../../agent/relay/connections.ts'
import { KernelFixture } from './kernel-fixture.ts'
import type { RelayArtifact } from './relay-artifact.ts'

const RELAY = fileURLToPath(new URL('../../../agent/relay/main.js', import.meta.url))
const LOOPBACK4 = '127.0.0.1'
const LOOPBACK6 = '::1'
/** Milliseconds; a machine under load is slow, a hang is for ever. */
const PATIENCE = 10_000

export type RelayStats = {
  attached: boolean
  endings: Record<string, number>
  events: { taken: number; unknown: number }
  pending: { ending: number; owing: number }
  established: { count: number; destroyed: number }
  draining: { held: number; destroyed: number }
  dispatchers: { draining: { dispatcher: string; connections: number }[]; destroyed: number }
  counters: Record<string, number>
  cpuMs: number
  rssBytes: number
  complaints: number
  modes: Record<string, { mode: string; reason: string }>
  relayed: Record<string, number>
  kernel: { countsQueued: boolean | null; splices: boolean | null }
}

export class RelayFixture {
  readonly node: KernelFixture
  readonly artifact: RelayArtifact
  private readonly config: string
  private readonly socket: string
  private readonly clients: Socket[] = []
  private relay: ChildProcess | undefined

  private constructor(node: KernelFixture, artifact: RelayArtifact) {
    this.node = node
    this.artifact = artifact
    this.config = join(node.directory, 'relay.json')
    this.socket = join(node.directory, 'relay.sock')
  }

  static async create(
    artifact: RelayArtifact,
    options: Record<string, unknown> = {},
    mode = 'kernel',
  ): Promise<RelayFixture> {
    const node = await KernelFixture.create(artifact.dispatcher)
    const fixture = new RelayFixture(node, artifact)
    try {
      const workloads = join(node.directory, 'workloads.json')
      const shop = {
        name: 'a',
        namespace: 'shop',
        labels: {},
        addresses: [LOOPBACK4, LOOPBACK6],
        mode,
      }
      writeFileSync(workloads, JSON.stringify({ workloads: [shop] }))
      const { bpffs, cgroup, directory } = node
      const own = { bpffs, cgroup, workloads, stats: fixture.socket, journal: join(directory, 'journal') }
      const config = { schema: 'heddle.relay/1', node: 'n1', sweepMs: 100, ...own, ...options }
      writeFileSync(fixture.config, JSON.stringify(config))
      await fixture.enforce(0, 1)
      return fixture
    } catch (error) {
      await fixture.close()
      throw error
    }
  }

  async enforce(slot: number, generation: number): Promise<void> {
    await this.node.stage(slot, this.artifact.inbound, this.artifact.rows)
    await this.node.kernel.setAddresses([LOOPBACK4, LOOPBACK6].map((address) => ({ address, identity: 1 })))
    await this.node.kernel.flip(slot, generation)
  }

  /** After the kernel's detach(): everything anew, in maps of its own. */
  async attachAgain(): Promise<void> {
    await this.node.kernel.install(join(this.node.directory, 'dispatcher.o'))
    await this.enforce(0, 1)
  }

  async startRelay(main = RELAY): Promise<void> {
    const args = [main, '--config', this.config]
    this.relay = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    const lines = createInterface({ input: this.relay.stdout as NodeJS.ReadableStream })
    const ready = await Promise.race([once(lines, 'line'), once(lines, 'close').then(() => undefined)])
    assert.ok(ready, 'the relay ended before it was ready')
  }

  /** Resolves to its exit code, or the signal that ended it. */
  async stopRelay(signal: NodeJS.Signals): Promise<number | string> {
    const { relay } = this
    if (!relay) return 'not running'
    this.relay = undefined
    const gone = once(relay, 'exit') as Promise<[number | null, string | null]>
    relay.kill(signal)
    const [code, by] = await gone
    return code ?? by ?? 'unknown'
  }

  async stats(): Promise<RelayStats> {
    return (await askRelay(this.socket)) as RelayStats
  }

  /** Stats as soon as they hold; fails with the last ones otherwise. */
  async until(holds: (stats: RelayStats) => boolean): Promise<RelayStats> {
    const end = Date.now() + PATIENCE
    for (;;) {
      const stats = await this.stats()
      if (holds(stats)) return stats
      assert.ok(Date.now() < end, `still ${JSON.stringify(stats)}`)
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }

  connections(): number {
    const map = new ConnectionMap(this.node.pins.map('conns'))
    const count = [...map.all()].length
    map.close()
    return count
  }

  journal(): Record<string, unknown>[] {
    const text = readFileSync(join(this.node.directory, 'journal'), 'utf8').trim()
    return text.split('\n').map((line) => JSON.parse(line) as Record<string, unknown>)
  }

  async client(port: number, host = LOOPBACK4): Promise<Client> {
    const socket = connect({ host, port, allowHalfOpen: true })
    this.clients.push(socket)
    const client = new Client(socket)
    await once(socket, 'connect')
    return client
  }

  /** A new connection; a dropped SYN says nothing to its sender, so the counter tells. */
  async outcome(port: number): Promise<'open' | 'refused' | 'dropped'> {
    const dropped = () => this.node.counters()['REFUSED_BY_MODE'] ?? 0
    const before = dropped()
    const socket = connect({ host: '127.0.0.1', port })
    this.clients.push(socket)
    let outcome: 'open' | 'refused' | undefined
    socket.on('connect', () => {
      outcome = 'open'
    })
    socket.on('error', () => {
      outcome ??= 'refused'
    })
    while (outcome === undefined && dropped() === before)
      await new Promise((resolve) => setTimeout(resolve, 5))
    return outcome ?? 'dropped'
  }

  async close(): Promise<void> {
    for (const client of this.clients) client.destroy()
    await this.stopRelay('SIGKILL')
    await this.node.close()
  }
}

/** Keeps its side open, whatever the server does, and notes how the connection ended. */
export class Client {
  text = ''
  end: 'FIN' | 'RST' | undefined
  readonly socket: Socket
  private wake = () => {}

  constructor(socket: Socket) {
    this.socket = socket
    socket.setEncoding('latin1')
    socket.on('data', (part: string) => this.note(() => (this.text += part)))
    socket.on('end', () => this.note(() => (this.end ??= 'FIN')))
    socket.on('error', () => this.note(() => (this.end = 'RST')))
  }

  get(path: string): void {
    this.socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`)
  }

  async until(holds: () => boolean): Promise<void> {
    const end = Date.now() + PATIENCE
    while (!holds()) {
      const left = end - Date.now()
      assert.ok(left > 0, `${this.end ?? 'open'}, got ${JSON.stringify(this.text)}`)
      let timer: NodeJS.Timeout | undefined
      await new Promise<void>((resolve) => {
        this.wake = resolve
        timer = setTimeout(resolve, left)
      })
      clearTimeout(timer)
    }
  }

  private note(change: () => void): void {
    change()
    this.wake()
  }
}
