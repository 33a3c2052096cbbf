/** Connections past the relay, where the agent has a say in them. */
import { existsSync } from 'node:fs'
import { Limit, RouteKeyLayout } from '../../bpf/abi/heddle.gen.ts'
import { withMap } from './attach.ts'
import type { Pins } from './pins.ts'

/**
 * Services that get routes or a breaker: those who call them from now on are led to the relay, which can follow
 * whatever a route says, and what no program can read. The relay would notice by itself, but later than the first of them.
 */
export function endDirectWays(pins: Pins, routed: ReadonlySet<number>): void {
  if (routed.size === 0 || !existsSync(pins.map('direct_ways'))) return
  withMap(pins.map('direct_ways'), (ways) => {
    for (const key of [...ways.keys(RouteKeyLayout.bytes, Limit.MAX_POOLS)])
      if (routed.has(key.readUInt32LE(RouteKeyLayout.fields.service.at))) ways.delete(key)
  })
}
