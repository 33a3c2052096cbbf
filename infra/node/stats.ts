/** What a relay says of itself and its kernel, for people. `heddle node stats --json` has all of it. */
import { z } from 'zod'
import type { ClientReason } from '../../bpf/abi/heddle.gen.ts'

const Count = z.int().min(0)
const Counts = z.record(z.string(), Count)

/** The parts that are told; a relay may say more. */
const RelayStats = z.object({
  node: z.string(),
  attached: z.boolean(),
  uptimeMs: z.number(),
  rssBytes: z.number(),
  cpuMs: z.number(),
  counters: Counts,
  endings: Counts,
  modes: z.record(z.string(), z.object({ mode: z.string(), reason: z.string() })),
  outbound: z
    .object({
      requests: Counts,
      retries: Count,
      overBudget: Count.default(0),
      connections: Counts,
      upstreams: Count,
      counters: Counts,
      /** By an address that the service is called by; an older relay tells of none. */
      breakers: z
        .array(z.object({ service: z.string(), state: z.string(), trips: Count, refused: Counts }))
        .default([]),
    })
    .nullable(),
  complaints: Count,
})
export type RelayStats = z.infer<typeof RelayStats>
type Outbound = NonNullable<RelayStats['outbound']>

/** Throws a ZodError where it is no relay that answered. */
export function parseStats(said: unknown): RelayStats {
  return RelayStats.parse(said)
}

type Name = Exclude<keyof typeof ClientReason, 'CLIENT_REASONS'>

/** enum heddle_client_reason, as an operator reads it. */
const REASONS: Partial<Record<string, string>> = {
  SLOW_PIPELINED: 'a request before the response to the one before',
  SLOW_HEAD: 'a head in pieces, too long, or not in the canonical subset',
  SLOW_VERSION: 'HTTP/1.0 or Upgrade',
  SLOW_POOL: 'no idle upstream',
  SLOW_ROUTE: 'the route asks for what only the relay does',
  SLOW_UNREAD: 'its reader is too far behind',
  SLOW_REMOTE: 'the endpoint is on another node',
  SLOW_NO_GENERATION: 'no generation is active',
  SLOW_GONE: 'its upstream closed',
  SLOW_FOLLOWS: 'more on a connection that the relay has',
  SLOW_ENDLESS: 'a response of another node that only its connection ends',
  SLOW_REFUSED: 'no route, no rule or no endpoint: the relay gives the answer',
  SLOW_LIMITED: 'a rate limit has no more, and its client is told by the relay',
  SLOW_BROKEN: 'a breaker opened or was full at that moment: the relay asks again',
} satisfies Partial<Record<Name, string>>

/** Done by the kernel alone. */
const CARRIED: readonly string[] = ['KERNEL_ROUTED', 'KERNEL_ANSWERED'] satisfies Name[]

const MINUTE_MS = 60_000

/** One paragraph for what is asked most; what never happened is left out. */
export function statsText(stats: RelayStats): string {
  const { node, attached, uptimeMs, rssBytes, cpuMs, complaints } = stats
  const up =
    uptimeMs < MINUTE_MS ? `${Math.round(uptimeMs / 1000)} s` : `${Math.floor(uptimeMs / MINUTE_MS)} min`
  const held = `${Math.round(rssBytes / 2 ** 20)} MB, ${(cpuMs / 1000).toFixed(1)} s of CPU`
  const lines = [
    `relay of ${node}: up ${up}, ${held}${attached ? '' : ', nothing attached'}`,
    ...listed('inbound', stats.counters),
    ...listed('endings', stats.endings),
    ...outboundLines(stats.outbound),
    ...Object.entries(stats.modes).map(([name, { mode, reason }]) => `mode      ${name} ${mode} (${reason})`),
    ...(complaints === 0 ? [] : [`complaints ${complaints}: see the relay's log`]),
  ]
  return lines.map((line) => `${line}\n`).join('')
}

function outboundLines(outbound: RelayStats['outbound']): string[] {
  if (outbound === null) return ['outbound  no dispatcher that knows services is attached']
  const { requests, retries, overBudget, connections, upstreams, counters, breakers } = outbound
  const kernel = sum(CARRIED.map((name) => counters[name] ?? 0))
  const relay = sum(Object.values(requests))
  const why = Object.entries(counters).filter(([name]) => !CARRIED.includes(name))
  const open = `${connections['open'] ?? 0} connections open, ${connections['taken'] ?? 0} taken`
  const turned = connections['turnedAway'] ? `, ${connections['turnedAway']} turned away` : ''
  return [
    `outbound  ${share(kernel, kernel + relay)} by the kernel, ${share(relay, kernel + relay)} by the relay`,
    `          ${open}${turned}, ${upstreams} upstreams`,
    ...listed('relay', { ...requests, retries, overBudget }),
    ...why.sort(([, a], [, b]) => b - a).map(whyText),
    ...breakers.map(breakerText),
  ]
}

const breakerText = ({ service, state, trips, refused }: Outbound['breakers'][number]) => {
  const why = Object.entries(refused).filter(([, count]) => count > 0)
  const told = why.map(([name, count]) => `, ${count} refused: ${name}`).join('')
  return `breaker   ${service} is ${state}, opened ${trips} times${told}`
}

const whyText = ([name, count]: [string, number]) =>
  `          ${count} ${name}: ${REASONS[name] ?? 'see heddle.h'}`

const share = (part: number, all: number) =>
  `${part} requests${all === 0 ? '' : ` (${((100 * part) / all).toFixed(1)} %)`}`

const sum = (counts: number[]) => counts.reduce((total, count) => total + count, 0)

function listed(title: string, counts: Record<string, number>): string[] {
  const happened = Object.entries(counts).filter(([, count]) => count > 0)
  if (happened.length === 0) return []
  return [`${title.padEnd(10)}${happened.map(([name, count]) => `${name} ${count}`).join('  ')}`]
}
