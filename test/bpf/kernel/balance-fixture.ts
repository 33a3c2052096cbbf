/** A service whose four servers get requests of one client by its spread: what tests of balance and affinity ask. */
import assert from 'node:assert/strict'
import { u32 } from '../../../agent/adapters/libbpf.ts'
import { nothingRests } from '../../../agent/service-runs.ts'
import type { ServiceWish } from '../../../agent/ports.ts'
import { storesFor } from '../../../agent/service-stores.ts'
import { HealthLayout } from '../../../bpf/abi/heddle.gen.ts'
import type { Spread } from '../../../pipelines/services/model.ts'
import type { Connection } from './outbound-connection.ts'
import { FRONT, OutboundFixture } from './outbound-fixture.ts'

const SERVERS = ['x0', 'x1', 'x2', 'x3'] as const
/** The service that /a… leads to. */
const SERVICE = 2

/** Place of the server that a response is of; -1 = none of them. */
export const whoAnswered = (text: string) => SERVERS.findIndex((name) => text.includes(`\r\n\r\n${name} `))

export class BalanceFixture {
  readonly node: OutboundFixture
  readonly client: Connection
  private readonly ports: readonly number[]
  private readonly resting = nothingRests()
  private clock = 0

  private constructor(node: OutboundFixture, client: Connection, ports: readonly number[]) {
    this.node = node
    this.client = client
    this.ports = ports
  }

  static async create(): Promise<BalanceFixture> {
    const node = await OutboundFixture.create()
    const ports: number[] = []
    for (const name of SERVERS) ports.push(await node.startServer(name))
    return new BalanceFixture(node, await node.open(), ports)
  }

  close(): Promise<void> {
    return this.node.close()
  }

  /** Servers by weight; null = is no endpoint. As the agent does it. */
  async publish(weights: (number | null)[], spread: Spread = {}): Promise<void> {
    const endpoints = weights.flatMap((weight, i) =>
      weight === null ? [] : [{ address: '127.0.0.1', port: this.ports[i] as number, local: true, weight }],
    )
    const local = endpoints.length
    const none = { addresses: [], endpoints: [], local: 0, zone: 0 }
    const wishes: ServiceWish[] = [
      { ...none, number: 1, addresses: [{ address: FRONT.host, port: FRONT.port }] },
      { ...none, number: SERVICE, endpoints, local, zone: local, spread },
    ]
    const { outbound } = this.node.node.kernel
    const content = await outbound.read()
    assert.ok(content)
    this.clock += 10_000
    for (const store of storesFor(content, wishes, this.resting, this.clock)) await outbound.write(store)
  }

  /** Whom so many requests reach. */
  async reached(times: number, target = '/a/plain', by = this.client): Promise<number[]> {
    const counted = SERVERS.map(() => 0)
    for (let i = 0; i < times; i++) {
      const place = whoAnswered(await by.get(target))
      assert.ok(place >= 0, by.text)
      counted[place] = (counted[place] as number) + 1
    }
    return counted
  }

  /** Until the kernel has idle upstreams to all that take requests. */
  async warm(times = 40): Promise<void> {
    await this.node.until(async () => {
      const routed = this.node.ways().KERNEL_ROUTED
      await this.reached(times)
      return this.node.ways().KERNEL_ROUTED === routed + times
    })
  }

  /** Of the endpoint of a server. */
  async health(server: number): Promise<{ inFlight: number; number: number }> {
    const content = await this.node.node.kernel.outbound.read()
    const [number = 0] =
      [...(content?.endpoints ?? [])].find(
        ([, { port, weight }]) => port === this.ports[server] && weight > 0,
      ) ?? []
    const value = this.node.node.withMap('health', (map) => map.lookup(u32(number), HealthLayout.bytes))
    return { number, inFlight: value?.readInt32LE(HealthLayout.fields.in_flight.at) ?? -1 }
  }
}
