/** A node whose service `shop/a` (every path below /a) has a breaker, and what the kernel has of that. */
import assert from 'node:assert/strict'
import { u32 } from '../../../agent/adapters/libbpf.ts'
import { BreakerLayout, Limit } from '../../../bpf/abi/heddle.gen.ts'
import type { Breaker, BreakerState, ServiceBreaker } from '../../../pipelines/policy/breaker.ts'
import type { Connection } from './outbound-connection.ts'
import { FRONT_ROUTE, OutboundFixture } from './outbound-fixture.ts'

/** Live number of `shop/a`. */
const SERVICE = 2
const KINDS = ['closed', 'open', 'half-open'] as const
const { fields } = BreakerLayout
const LONG_FIELD = `X-Long: ${'l'.repeat(Limit.WINDOW)}\r\n`

/** The first for `shop/a`, the others for services that this node does not know. */
const breakersOf = (rules: readonly Breaker[]) =>
  rules.map(
    (breaker, at): ServiceBreaker => ({
      name: 'guard',
      source: { file: 'breaker.yaml', line: 1, column: 1 },
      service: { namespace: 'shop', name: at === 0 ? 'a' : `other-${at}`, port: 80 },
      breaker,
    }),
  )

/** What the kernel has, without what only a window says. Turns are modulo 1,024, moments modulo 2^32. */
export type KernelBreaker = Pick<
  BreakerState,
  'kind' | 'turn' | 'until' | 'succeeded' | 'out' | 'inFlight'
> & {
  errors: number
  trips: number
  refused: number[]
  slices: { requests: number; errors: number }
}

export class BreakerFixture {
  readonly node: OutboundFixture
  private readonly rules: readonly Breaker[]
  private generation = 1

  private constructor(node: OutboundFixture, rules: readonly Breaker[]) {
    this.node = node
    this.rules = rules
  }

  /** The first is the service's; another one becomes it by `anew()` or `swap()`. */
  static async create(rules: readonly Breaker[]): Promise<BreakerFixture> {
    return new BreakerFixture(await OutboundFixture.create([], [FRONT_ROUTE], breakersOf(rules)), rules)
  }

  close(): Promise<void> {
    return this.node.close()
  }

  /** Another generation, with this rule or none. */
  async swap(breaker?: Breaker): Promise<void> {
    const others = this.rules.filter((each) => each !== breaker)
    const breakers = breaker ? breakersOf([breaker, ...others]) : []
    await this.node.enforce(++this.generation, [], [FRONT_ROUTE], breakers)
  }

  /** The rule as the agent gives it to the service, in the generation that is there. */
  async choose(breaker: Breaker): Promise<void> {
    const { node, routed } = this.node
    const rule = this.rules.indexOf(breaker)
    assert.ok(routed && rule >= 0)
    await node.kernel.setRoutes(routed.slot, { ...routed.content, breakers: [{ service: SERVICE, rule }] })
  }

  /** As if nobody had ever called the service. */
  async anew(breaker: Breaker): Promise<void> {
    await this.node.node.kernel.outbound.write({ map: 'breakers', number: SERVICE })
    await this.choose(breaker)
  }

  state(): KernelBreaker {
    const value = this.node.node.withMap('breakers', (map) => map.lookup(u32(SERVICE), BreakerLayout.bytes))
    assert.ok(value)
    const word = value.readUInt32LE(fields.state.at)
    const turn = word >>> 22
    const streak = value.readUInt32LE(fields.streak.at)
    let [requests, errors] = [0, 0]
    for (let i = 0; i < 8; i++) {
      const slice = value.readBigUInt64LE(fields.slices.at + 8 * i)
      requests += Number((slice >> 20n) & 0xfffffn)
      errors += Number(slice & 0xfffffn)
    }
    return {
      kind: KINDS[(word >>> 20) & 3] ?? 'closed',
      turn,
      until: value.readUInt32LE(fields.state.at + 4),
      succeeded: (word >>> 10) & 1023,
      out: word & 1023,
      inFlight: value.readUInt32LE(fields.flight.at),
      errors: streak >>> 22 === turn ? streak & 0x3fffff : 0,
      trips: Number(value.readBigUInt64LE(fields.trips.at)),
      refused: [1, 2, 3].map((answer) => Number(value.readBigUInt64LE(fields.refused.at + 8 * answer))),
      slices: { requests, errors },
    }
  }

  /** The status of one request, and what a breaker said. */
  async ask(
    client: Connection,
    target: string,
    by?: 'relay',
  ): Promise<{ status: number; why: string | undefined }> {
    assert.ok(client.end === undefined && !client.closed, 'the connection has ended')
    client.forget()
    client.send(getText(target, by))
    await client.until(() => /\r\n\r\n/.test(client.text) || client.closed)
    const why = /\r\nx-heddle-breaker: (\S+)\r\n/.exec(client.text)?.[1]
    if (why !== undefined) assert.equal(client.text, refusalText(why))
    else await client.until(() => wholeIn(client.text) || client.closed)
    return { status: Number(client.text.slice(9, 12)), why }
  }
}

/** A head that is too long for the kernel is the relay's. */
export const getText = (target: string, by?: 'relay') =>
  `GET ${target} HTTP/1.1\r\nHost: front\r\n${by === 'relay' ? LONG_FIELD : ''}\r\n`

export const refusalText = (why: string) =>
  `HTTP/1.1 503 Service Unavailable\r\nServer: heddle\r\nx-heddle-breaker: ${why}\r\nContent-Length: 0\r\n\r\n`

function wholeIn(text: string): boolean {
  const end = text.indexOf('\r\n\r\n')
  const length = /content-length: *(\d+)/i.exec(text.slice(0, end))?.[1]
  return text.length >= end + 4 + Number(length ?? 0)
}

/** Milliseconds of the programs' clock. */
export const nowMs = () => Number(process.hrtime.bigint() / 1_000_000n)
