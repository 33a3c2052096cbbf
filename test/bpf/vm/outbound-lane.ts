/**
 * The client side in a lane: services by number, the agent's own adapter, the real relay beside the
 * managed cgroup, and in it a process that is both the callers and the servers. The service of the
 * lane's other side, behind its link, is what another node would be.
 */
import { type ChildProcess, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Pins } from '../../../agent/adapters/pins.ts'
import { assign, rowsFor } from '../../../agent/identities.ts'
import type { Kernel } from '../../../agent/ports.ts'
import { askRelay } from '../../../agent/relay/stats.ts'
import type { Workload } from '../../../pipelines/policy/model.ts'
import {
  CALL_CASES,
  CALL_FAMILIES,
  type CallCase,
  type CallFamily,
  type CallLine,
  CALLS,
  NO_RELAY,
  PAST,
  PAST_FAMILIES,
  PAST_RELAY,
  type PastFamily,
} from './outbound-cases.ts'
import { WAYS } from './network.ts'
import type { Act, FromPeer, Play, Played, ToPeer } from './outbound-peer.ts'
import { OutboundLooks, type Ways } from './outbound-looks.ts'
import type { RoutedGeneration } from './outbound-programs.ts'

const RELAY = fileURLToPath(new URL('../../../agent/relay/main.js', import.meta.url))
const PEER = fileURLToPath(new URL('./outbound-peer.js', import.meta.url))
/** Live numbers of the services. */
const NUMBERS: Record<string, number> = { front: 1, a: 2, b: 3, c: 4 }
const SLOTS = { front: 2, swapped: 3 }
/** An emulated machine starts Node in seconds; on a busy host, in half a minute. */
const PATIENCE_MS = 90_000
/** Between two looks at something: soon after it has happened. */
const PAUSE_MS = 5
/** The same while Node starts: on the one CPU of an emulated machine each look is taken from what it waits for. */
const START_PAUSE_MS = 250
/** Servers a and b, and all callers: loopback is theirs, and other nodes know them by the link's address. */
const HERE: Workload = {
  name: 'lane',
  namespace: 'lane',
  labels: { app: 'lane' },
  addresses: ['127.0.0.1', WAYS.IPv4.peer],
  mode: 'kernel',
}
/** Server c. */
const ELSEWHERE: Workload = {
  name: 'elsewhere',
  namespace: 'lane',
  labels: { app: 'elsewhere' },
  addresses: [WAYS.IPv4.host],
  mode: 'kernel',
}

export type Place = { kernel: Kernel; bpffs: string; cgroup: string; programs: string; cpus: number }

export class OutboundLane {
  private readonly place: Place
  private readonly looks: OutboundLooks
  private readonly directory = mkdtempSync(join(tmpdir(), 'heddle-lane-relay-'))
  private peer: ChildProcess | undefined
  private relay: ChildProcess | undefined
  private generation = 0

  constructor(place: Place) {
    this.place = place
    this.looks = new OutboundLooks(new Pins(place.bpffs), place.cpus)
  }

  /** All cases, a line each. */
  async drive(say: (line: CallLine) => void): Promise<void> {
    const [early, late] = NO_RELAY as [CallCase, CallCase]
    await this.enforce()
    await this.describe(await this.startPeer())
    for (const family of CALL_FAMILIES) say(await this.play(early, family))
    await this.startRelay()
    for (const family of CALL_FAMILIES) for (const what of CALL_CASES) say(await this.play(what, family))
    for (const family of PAST_FAMILIES) say(await this.playPast(family))
    await this.killRelay()
    for (const family of CALL_FAMILIES) say(await this.play(late, family))
  }

  async stop(): Promise<void> {
    await this.killRelay()
    this.peer?.kill('SIGKILL')
    rmSync(this.directory, { recursive: true, force: true })
  }

  private async enforce(): Promise<void> {
    const { kernel, programs, cgroup } = this.place
    await kernel.install(`${programs}/dispatcher.o`)
    const { identities, addresses } = assign({ identities: [], published: [] }, [HERE, ELSEWHERE])
    for (const [name, slot] of Object.entries(SLOTS)) {
      const { blocks, services, routes } = JSON.parse(
        readFileSync(`${programs}/${name}.json`, 'utf8'),
      ) as RoutedGeneration
      await kernel.stage(slot, `${programs}/${name}.o`, rowsFor(blocks, identities))
      const number = (service: { name: string }) => NUMBERS[service.name] as number
      await kernel.setRoutes(slot, {
        choices: routes.map(({ service, set }) => ({
          service: number(service),
          identity: 0,
          set,
          own: false,
        })),
        backends: services.map(number),
      })
    }
    await kernel.setAddresses(addresses)
    const id = statSync(cgroup, { bigint: true }).ino
    await kernel.outbound.setCgroups([{ id, identity: identities[0]?.number ?? 0 }])
    await this.flip('front')
  }

  private async flip(name: keyof typeof SLOTS): Promise<void> {
    await this.place.kernel.flip(SLOTS[name], ++this.generation)
  }

  /** What the agent would write: services, one endpoint each, and where front is called. */
  private async describe(ports: number[]): Promise<void> {
    const { outbound } = this.place.kernel
    const places = [
      ...ports.map((port) => ({ address: '127.0.0.1', port, local: true, weight: 1 })),
      { address: WAYS.IPv4.host, port: WAYS.IPv4.port, local: false, weight: 1 },
    ]
    for (const [at, endpoint] of places.entries()) {
      await outbound.write({ map: 'endpoints', number: at + 1, endpoint })
      const here = Number(endpoint.local)
      await outbound.write({
        map: 'services',
        number: at + 2,
        state: { first: at, count: 1, local: here, zone: 1 },
      })
    }
    await outbound.write({ map: 'members', first: 0, endpoints: places.map((_, at) => at + 1) })
    const state = { first: 0, count: 1, local: 1, zone: 1 }
    await outbound.write({ map: 'services', number: NUMBERS['front'] as number, state })
    const called = (address: string, name: string) =>
      outbound.write({ map: 'service_addresses', address, port: 80, service: NUMBERS[name] as number })
    for (const address of new Set(CALL_FAMILIES.map((family) => CALLS[family].host)))
      await called(address, 'front')
    await called(PAST.IPv4, 'c')
  }

  /** Ports of server a and server b. */
  private async startPeer(): Promise<number[]> {
    this.peer = fork(PEER, [this.place.cgroup], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    const message = await this.heard()
    if (!('ports' in message)) throw new Error(`the peer did not start: ${JSON.stringify(message)}`)
    return message.ports
  }

  private async heard(): Promise<FromPeer> {
    const signal = AbortSignal.timeout(PATIENCE_MS)
    return (await once(this.peer as ChildProcess, 'message', { signal }))[0] as FromPeer
  }

  private tell(message: ToPeer): void {
    this.peer?.send(message)
  }

  private async startRelay(): Promise<void> {
    const { bpffs, cgroup } = this.place
    const [config, workloads, stats] = ['relay.json', 'workloads.json', 'stats'].map((name) =>
      join(this.directory, name),
    ) as [string, string, string]
    writeFileSync(workloads, JSON.stringify({ workloads: [HERE] }))
    const times = { sweepMs: 250, stopMs: 500 }
    const own = { schema: 'heddle.relay/1', node: 'lane', bpffs, cgroup, workloads, stats, ...times }
    writeFileSync(config, JSON.stringify(own))
    this.relay = spawn(process.execPath, [RELAY, '--config', config], {
      stdio: ['ignore', 'inherit', 'inherit'],
    })
    const serves = async () => {
      const said = (await askRelay(stats).catch(() => undefined)) as { outbound: unknown } | undefined
      return said !== undefined && said.outbound !== null && this.looks.port() !== 0
    }
    await until('the relay serves services', serves, START_PAUSE_MS)
  }

  private async killRelay(): Promise<void> {
    const { relay } = this
    this.relay = undefined
    if (relay === undefined || relay.exitCode !== null) return
    const gone = once(relay, 'exit')
    relay.kill('SIGKILL')
    await gone
  }

  /** The relay learns of a group of clients by its first connection. */
  private async playPast(family: PastFamily): Promise<CallLine> {
    const way = { host: PAST[family], port: 80 }
    const first = { way, steps: PAST_RELAY.steps.slice(1, 3), expected: 1 }
    await this.playedBy(first, this.looks.ways())
    await until('connections lead past the relay', () => this.looks.hasDirectWays())
    return this.play(PAST_RELAY, family, way)
  }

  private async play(
    what: CallCase,
    family: CallFamily,
    way = { host: CALLS[family].host as string, port: 80 },
  ): Promise<CallLine> {
    const before = this.looks.ways()
    const steps = this.relay ? [{ warm: true } as const, ...what.steps] : what.steps
    const expected = what.expect.replies.filter((reply) => reply !== 'end').length
    const played = await this.playedBy({ way, steps, expected }, before)
    const after = this.looks.ways()
    if (what.steps.some((step) => typeof step === 'object' && 'flip' in step)) await this.flip('front')
    const told = what.expect.kernel !== null
    const kernel = told ? after.kernel - before.kernel : null
    const relay = told ? after.relay - before.relay : null
    return { kind: 'call', name: what.name, family, saw: { ...played, kernel, relay } }
  }

  private async playedBy(play: Play, before: Ways): Promise<Played> {
    this.tell({ play })
    for (;;) {
      const message = await this.heard()
      if ('played' in message) return message.played
      if (!('act' in message)) throw new Error(JSON.stringify(message))
      await this.act(message.act, before)
      this.tell({ acted: true })
    }
  }

  private async act(step: Act, before: Ways): Promise<void> {
    if ('flip' in step) await this.flip(step.flip)
    else if ('warm' in step) await until('idle upstreams to all servers', () => this.looks.idle().size === 3)
    else if ('rest' in step)
      await until('the relay gets the rest', () => this.looks.ways().unread > before.unread)
    else if ('direct' in step) await until('its own way is known', () => this.looks.isDirect())
    else await until('the kernel is offered the connection', () => this.looks.isOffered())
  }
}

async function until(
  what: string,
  holds: () => boolean | Promise<boolean>,
  pauseMs = PAUSE_MS,
): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`still not: ${what}`)
    await sleep(pauseMs)
  }
}
