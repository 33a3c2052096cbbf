/** A pool of upstreams as the relay sees it: whose clients may use it, and how many connections that makes. */
import type { Place } from './kernel-connections.ts'
import type { Wire } from './wire.ts'

/** Connections of one pool: what one server is asked to hold for one workload's clients. */
const MAX_POOL = 1024
/** Connections ready before a client asks. */
const SPARE = 2

export type PoolName = { number: number; identity: number; place: Place }

export type Pool = {
  endpoint: number
  identity: number
  place: Place
  /** By group of clients. */
  clients: Map<string, number>
  /** Most clients at a time, of late; since when there are fewer. */
  most: number
  since: number
  retryAt: number
  open: Map<number, Wire>
  /** Upstreams that no request meets any more. */
  buried: Set<number>
}

export function newPool({ number: endpoint, identity, place }: PoolName): Pool {
  return {
    endpoint,
    identity,
    place,
    clients: new Map(),
    most: 0,
    since: 0,
    retryAt: 0,
    open: new Map(),
    buried: new Set(),
  }
}

export function keyOf({ number, identity }: Pick<PoolName, 'number' | 'identity'>): string {
  return `${number}/${identity}`
}

export function clientsOf({ clients }: Pool): number {
  return [...clients.values()].reduce((sum, each) => sum + each, 0)
}

export function wantedIn({ most }: Pool): number {
  return most === 0 ? 0 : Math.min(MAX_POOL, most + SPARE)
}
