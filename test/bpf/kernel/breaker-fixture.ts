/** A node whose service `shop/a` (every path below /a) has a breaker, and what the kernel has of that. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { u32 } from '../../../agent/adapters/libbpf.ts'
import { BreakerLayout, Limit } from '../../../bpf/abi/heddle.gen.ts'
import {
  type Breaker,
  type BreakerState,
  type ServiceBreaker,
  SLICES,
} from '../../../pipelines/policy/breaker.ts'
import { breakerTables } from '../../../pipelines/tables/breakers.ts'
import type { Connection } from './outbound-connection.ts'
import { FRONT_ROUTE, OutboundFixture } from './outbound-fixture.ts'

/** Live number of `shop/a`. */
const SERVICE = 2
const KINDS = ['closed', 'open', 'half-open'] as const
const { fields } = BreakerLayout
/** Of an endpoint that nobody else has. */
const CLOGGED_NUMBER = 9
const CLOGGED = `
import socket, time
listener = socket.socket()
listener.bind(('127.0.0.1', 0))
listener.listen(0)
print(listener.getsockname()[1], flush=True)
time.sleep(600)
`
const LONG_FIELD = `X-Long: ${'l'.repeat(Limit.WINDOW)}\r\n`

/** Each for a service that this node does not know, so that the tables have it, and one for `shop/a`. */
const breakersOf = (rules: readonly Breaker[], own: Breaker | undefined) =>
  [...rules, ...(own ? [own] : [])].map(
    (breaker, at): ServiceBreaker => ({
      name: 'guard',
      namespace: 'shop',
      source: { file: 'breaker.yaml', line: 1, column: 1 },
      service: { namespace: 'shop', name: at === rules.length ? 'a' : `other-${at}`, port: 80 },
      breaker,
    }),
  )

/** What the kernel has. Turns are modulo 1,024, moments modulo 2^32, numbers of slices modulo 2^24. */
export type KernelBreaker = Pick<
  BreakerState,
  'kind' | 'turn' | 'until' | 'succeeded' | 'out' | 'inFlight'
> & {
  errors: number
  trips: number
  refused: number[]
  slices: { number: number; requests: number; errors: number }[]
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
    return new BreakerFixture(
      await OutboundFixture.create([], [FRONT_ROUTE], breakersOf(rules, rules[0])),
      rules,
    )
  }

  close(): Promise<void> {
    return this.node.close()
  }

  /** Another generation, with this rule or none. */
  async swap(breaker?: Breaker): Promise<void> {
    await this.node.enforce(++this.generation, [], [FRONT_ROUTE], breakersOf(this.rules, breaker))
  }

  /** The rule as the agent gives it to the service, in the generation that is there. */
  async choose(breaker: Breaker): Promise<void> {
    const { node, routed } = this.node
    const { entries } = breakerTables(breakersOf(this.rules, undefined))
    const rule = entries[this.rules.indexOf(breaker)]?.rule
    assert.ok(routed && rule !== undefined)
    await node.kernel.setRoutes(routed.slot, { ...routed.content, breakers: [{ service: SERVICE, rule }] })
  }

  /** As if nobody had ever called the service. */
  async anew(breaker: Breaker): Promise<void> {
    await this.node.node.kernel.outbound.write({ map: 'breakers', number: SERVICE })
    await this.choose(breaker)
  }

  /**
   * The service's only endpoint becomes a server that accepts nobody, with room in its queue for one: whoever
   * comes then waits for a connection. What is returned puts the old one back.
   */
  async clogged(): Promise<() => Promise<void>> {
    const { outbound } = this.node.node.kernel
    const child = this.node.node.spawnManaged('python3', ['-c', CLOGGED])
    const [line] = (await once(
      createInterface({ input: child.stdout as NodeJS.ReadableStream }),
      'line',
    )) as [string]
    const endpoint = { address: '127.0.0.1', port: Number(line), local: true, weight: 1 }
    await outbound.write({ map: 'endpoints', number: CLOGGED_NUMBER, endpoint })
    await outbound.write({ map: 'members', first: 0, endpoints: [CLOGGED_NUMBER] })
    return async () => {
      await outbound.write({ map: 'members', first: 0, endpoints: [1] })
      child.kill('SIGKILL')
    }
  }

  state(): KernelBreaker {
    const value = this.node.node.withMap('breakers', (map) => map.lookup(u32(SERVICE), BreakerLayout.bytes))
    assert.ok(value)
    const word = value.readUInt32LE(fields.state.at)
    const turn = word >>> 22
    const streak = value.readUInt32LE(fields.streak.at)
    const slices = Array.from({ length: SLICES }, (_, i) => {
      const slice = value.readBigUInt64LE(fields.slices.at + 8 * i)
      const part = (at: bigint, bits: bigint) => Number((slice >> at) & ((1n << bits) - 1n))
      return { number: part(40n, 24n), requests: part(20n, 20n), errors: part(0n, 20n) }
    })
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
      slices,
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

const refusalText = (why: string) =>
  `HTTP/1.1 503 Service Unavailable\r\nServer: heddle\r\nx-heddle-breaker: ${why}\r\nContent-Length: 0\r\n\r\n`

function wholeIn(text: string): boolean {
  const end = text.indexOf('\r\n\r\n')
  const length = /content-length: *(\d+)/i.exec(text.slice(0, end))?.[1]
  return text.length >= end + 4 + Number(length ?? 0)
}

/** Milliseconds of the programs' clock. */
export const nowMs = () => Number(process.hrtime.bigint() / 1_000_000n)
