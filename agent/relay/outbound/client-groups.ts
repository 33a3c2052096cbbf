/**
 * Clients of one service and identity: they share pools, which are made to fit them, and together they need
 * the relay for their requests or call past it.
 */
import type { KernelBalance } from './kernel-balance.ts'
import type { KernelClient } from './kernel-clients.ts'
import type { KernelDirect } from './kernel-direct.ts'
import type { KernelRouter } from './kernel-router.ts'
import type { KernelUpstreams } from './kernel-upstreams.ts'
import type { Router } from './ports.ts'

/** Milliseconds between two looks at what a group may need, where its requests keep coming to the relay. */
const FIT_MS = 100

type Caller = Pick<KernelClient, 'service' | 'identity'>
/** `count`: those whose connections the relay has; `at`: when pools were made to fit them last. */
export type ClientGroup = { client: Caller; count: number; at: number }

type Parts = {
  router: KernelRouter
  balance: KernelBalance
  upstreams: KernelUpstreams
  direct: KernelDirect
  now: () => number
  complain: (error: unknown) => void
}

const nameOf = ({ service, identity }: Caller) => `${service}/${identity}`

export class ClientGroups {
  private readonly parts: Parts
  private readonly groups = new Map<string, ClientGroup>()
  /** Identity -> an address of a workload that has it. */
  private sources: ReadonlyMap<number, Uint8Array> = new Map()

  constructor(parts: Parts) {
    this.parts = parts
  }

  join({ service, identity }: KernelClient): ClientGroup {
    const client = { service, identity }
    const group = this.groups.get(nameOf(client)) ?? { client, count: 0, at: 0 }
    this.groups.set(nameOf(client), group)
    group.count++
    this.fit(group)
    return group
  }

  leave(group: ClientGroup): void {
    group.count--
    this.fit(group)
  }

  /** Services, routes and generations change meanwhile: pools follow. */
  sweep(sources: ReadonlyMap<number, Uint8Array>): void {
    this.sources = sources
    for (const group of this.groups.values()) this.fit(group)
  }

  /** A request that the kernel left may have lacked an upstream: the routes or endpoints are others by now. */
  growing(group: ClientGroup, { route }: Router): Router {
    const { now } = this.parts
    return {
      route: (request) => {
        if (now() - group.at >= FIT_MS) setImmediate(() => this.refit(group))
        return route(request)
      },
    }
  }

  private refit(group: ClientGroup): void {
    if (group.count > 0 && this.parts.now() - group.at >= FIT_MS) this.fit(group)
  }

  /** Each endpoint that the group's requests may go to has a connection for each client. */
  private fit(group: ClientGroup): void {
    const { now, complain } = this.parts
    group.at = now()
    try {
      this.want(group)
      this.pass(group)
    } catch (error) {
      // A map is full: the slow path serves without the kernel.
      complain(error)
    }
  }

  private want({ client, count }: ClientGroup): void {
    const { router, balance, upstreams, now } = this.parts
    const source = this.sources.get(client.identity)
    const endpoints = router.reaches(client).flatMap((service) => balance.within(service))
    upstreams.want(
      endpoints.map(({ number, at, local }) => ({
        number,
        identity: client.identity,
        place: { at, local, source },
      })),
      { group: nameOf(client), count },
      now(),
    )
  }

  /**
   * Requests that all go to one endpoint of another node, whatever they say, need no relay. As long as pools
   * are kept for the group it is there, and its connections tell that the endpoint can be reached.
   */
  private pass({ client, count }: ClientGroup): void {
    const { router, balance, upstreams, direct } = this.parts
    // What a breaker bounds has to be read, and not everything can be past the relay.
    const bound = router.isRouted(client) || router.ruleOf(client.service) !== undefined
    const only = bound ? undefined : balance.onlyElsewhere(client.service)
    const there = only && upstreams.reach({ number: only.number, identity: client.identity })
    const source = this.sources.get(client.identity)
    direct.set(client, there ? { endpoint: only.number, source } : undefined)
    if (count === 0 && !direct.has(client)) this.groups.delete(nameOf(client))
  }
}
