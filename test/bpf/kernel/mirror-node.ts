/** A node with a service that requests are copied to, and what came there. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import type { MirrorRule, Policy, Workload } from '../../../pipelines/policy/model.ts'
import { createHttp1Parser, type Http1Event } from '../../../pipelines/protocols/http1.ts'
import { FRONT_ROUTE, OutboundFixture } from './outbound-fixture.ts'

const SOURCE = { file: 'mirror.yaml', line: 1, column: 1 }
const PORTS = [{ protocol: 'TCP' as const, first: 1, last: 65_535 }]
/** Milliseconds; a machine under load is slow, a hang is for ever. */
const PATIENCE = 15_000
/** Services of `shop` by live number: the first has a target of its own, all others share one. */
const FIRST = 5
const SERVICES = ['copies', 'others', 'more-1', 'more-2', 'more-3', 'more-4', 'more-5']

/** Requests whose path begins so go to `shop/NAME`; copies of a million. */
export type Mirrored = { path?: string; ratio?: number; to?: string }

/** With `allowed` everything is let in by a rule, else nothing selects the workload. */
export function mirrorPolicy(mirrors: readonly Mirrored[], allowed = true): Policy {
  const all = { source: SOURCE, peers: null, ports: PORTS, http: [{ source: SOURCE, headers: [] }] }
  const rules = mirrors.map(({ path, ratio = 1_000_000, to = 'copies' }): MirrorRule => {
    const condition = { kind: 'path', text: { kind: 'prefix', value: path ?? '/' } } as const
    return {
      ...all,
      http: [{ source: SOURCE, headers: [], ...(path === undefined ? {} : { condition }) }],
      mirror: { to: { namespace: 'shop', name: to, port: 80 }, ratio },
    }
  })
  const requirements = [{ key: 'app', operator: 'In' as const, values: ['caller'] }]
  return {
    ...{ name: 'mirror', namespace: 'shop', source: SOURCE, unparsed: 'refuse' },
    subject: { namespaces: ['shop'], requirements },
    ...{ selects: allowed, allow: allowed ? [all] : [], deny: [], mirrors: rules },
  }
}

type Manner = 'answers' | 'stalls' | 'breaks' | 'refuses' | 'closes'

/** Where copies come to: outside of the managed cgroup, as another node would be. */
export class CopyTarget {
  /** Whole requests, head and body, as they came. */
  readonly requests: string[] = []
  manner: Manner = 'answers'
  private readonly server: Server
  private readonly sockets = new Set<Socket>()

  constructor() {
    this.server = createServer((socket) => this.serve(socket))
  }

  async listen(): Promise<number> {
    this.server.listen(0, '127.0.0.1')
    await once(this.server, 'listening')
    return (this.server.address() as AddressInfo).port
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy()
    await new Promise((closed) => this.server.close(closed))
  }

  private serve(socket: Socket): void {
    this.sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => this.sockets.delete(socket))
    const parser = createHttp1Parser()
    let held = Buffer.alloc(0)
    let base = 0
    socket.on('data', (bytes) => {
      held = Buffer.concat([held, bytes])
      for (const event of parser.push(bytes)) {
        assert.ok(event.kind === 'head' || event.kind === 'end', JSON.stringify(event))
        if (event.kind === 'end') {
          this.requests.push(held.subarray(0, event.at - base).toString('latin1'))
          held = held.subarray(event.at - base)
          base = event.at
          this.answer(socket, event)
        }
      }
    })
  }

  private answer(socket: Socket, _end: Http1Event): void {
    if (this.manner === 'answers') socket.write('HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\nno')
    else if (this.manner === 'breaks') socket.resetAndDestroy()
    else if (this.manner === 'refuses') socket.write('nonsense\r\n\r\n')
    else if (this.manner === 'closes') socket.end('HTTP/1.1 200 OK\r\n\r\nuntil the end')
  }
}

export type MirrorStats = { delivered: number; lost: Record<string, number>; open: number; unknown: number }

export class MirrorNode {
  readonly fixture: OutboundFixture
  readonly target: CopyTarget
  readonly others: CopyTarget
  /** Of a workload's server, for clients of another node. */
  port = 0
  private generation = 1

  private constructor(fixture: OutboundFixture) {
    this.fixture = fixture
    this.target = new CopyTarget()
    this.others = new CopyTarget()
  }

  static async create(
    mirrors: readonly Mirrored[] = [{}],
    mode: Workload['mode'] = 'kernel',
  ): Promise<MirrorNode> {
    const node = new MirrorNode(await OutboundFixture.create([], [FRONT_ROUTE], [], mode))
    try {
      await node.start()
      await node.enforce([mirrorPolicy(mirrors)])
      return node
    } catch (error) {
      await node.close()
      throw error
    }
  }

  async enforce(policies: Policy[], routes = [FRONT_ROUTE]): Promise<void> {
    await this.fixture.enforce(++this.generation, policies, routes)
  }

  /** What the relay says of copies since it began. */
  async stats(): Promise<MirrorStats> {
    return (await this.fixture.stats())['outbound']?.['mirror'] as MirrorStats
  }

  /** The counters of copies, by name. */
  counters(): Record<string, number> {
    const names = Object.entries(this.fixture.node.counters())
    return Object.fromEntries(names.filter(([name, count]) => /^COP/.test(name) && count > 0))
  }

  /** Waits until so many copies have come, all in all. */
  async came(count: number, target = this.target): Promise<string[]> {
    const end = Date.now() + PATIENCE
    while (target.requests.length < count) {
      const why = async () => JSON.stringify([await this.stats(), this.counters()])
      assert.ok(Date.now() < end, `${target.requests.length} of ${count} copies came: ${await why()}`)
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    return target.requests
  }

  async until(holds: (stats: MirrorStats) => boolean): Promise<MirrorStats> {
    const end = Date.now() + PATIENCE
    for (;;) {
      const stats = await this.stats()
      if (holds(stats)) return stats
      assert.ok(Date.now() < end, `still ${JSON.stringify([stats, this.counters()])}`)
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  }

  async close(): Promise<void> {
    await this.fixture.close()
    await this.target.close()
    await this.others.close()
  }

  private async start(): Promise<void> {
    const { outbound } = this.fixture.node.kernel
    const targets = [this.target, this.others]
    const first = 2
    for (const [index, target] of targets.entries()) {
      const endpoint = { address: '127.0.0.1', port: await target.listen(), local: false, weight: 1 }
      await outbound.write({ map: 'endpoints', number: first + 1 + index, endpoint })
    }
    await outbound.write({ map: 'members', first, endpoints: targets.map((_, index) => first + 1 + index) })
    for (const [index, name] of SERVICES.entries()) {
      const state = { first: first + Math.min(index, 1), count: 1, local: 0, zone: 0 }
      await outbound.write({ map: 'services', number: FIRST + index, state })
      this.fixture.numbers.set(`shop/${name}:80`, FIRST + index)
    }
    this.port = await this.fixture.startServer('m')
  }
}
