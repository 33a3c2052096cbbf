/**
 * One relay: events in, endings out. The agent may come, go and crash meanwhile;
 * all that the two share is pinned in the kernel.
 */
import { randomInt } from 'node:crypto'
import { currentDispatcher, oldDispatchers } from '../adapters/attach.ts'
import { Reason } from '../../bpf/abi/heddle.gen.ts'
import type { Workload } from '../../pipelines/policy/model.ts'
import { addressBytes } from '../adapters/address-bytes.ts'
import { Pins } from '../adapters/pins.ts'
import type { RelayConfig } from './config.ts'
import {
  type Connection,
  type RelayEvent,
  reasonName,
  type SocketName,
  socketText,
} from '../adapters/connection.ts'
import { readCounters } from './counters.ts'
import { Draining } from './draining.ts'
import { ENDINGS, type Ending, Endings, TICK_MS } from './endings.ts'
import { Established, listeners } from './established.ts'
import { Complaints, Journal } from './journal.ts'
import { addressKeys, cgroupIds } from './managed.ts'
import { ModeKeeper, WorkloadsFile } from './mode-keeper.ts'
import { NetlinkSockets } from './netlink.ts'
import { OldDispatchers } from './old-dispatchers.ts'
import { KernelOutbound } from './outbound/kernel-outbound.ts'
import { type KernelFacts, probeKernel, UNKNOWN_KERNEL } from './probe.ts'
import { Session } from './session.ts'
import { serveStats } from './stats.ts'

/** Milliseconds between two looks for an unjudged connection where the last look found none. */
const ESTABLISHED_MS = 60_000
/** Milliseconds between two looks for the dispatcher's pins where there are none. */
const WAIT_FOR_PINS_MS = 500
/** Measurements of the kernel that are tried. */
const MAX_PROBES = 3

const now = () => performance.now()
const random = () => randomInt(2 ** 32)

type Parts = {
  endings: Endings
  established: Established
  draining: Draining
  oldDispatchers: OldDispatchers
  modes: ModeKeeper
  outbound: KernelOutbound | undefined
}

export class Relay {
  private readonly config: RelayConfig
  private readonly main: string
  private readonly listeners: readonly number[]
  private kernel: KernelFacts = UNKNOWN_KERNEL
  private readonly pins: Pins
  private readonly sockets = new NetlinkSockets()
  private readonly journal: Journal
  private readonly workloads: WorkloadsFile
  private readonly complaints = new Complaints((line) => console.error(line))
  private readonly outcomes = Object.fromEntries(ENDINGS.map((name) => [name, 0])) as Record<Ending, number>
  private readonly events = { taken: 0, unknown: 0 }
  private drained = 0
  private probes = 0
  private session: Session | undefined
  private parts: Parts | undefined
  private tickTimer: NodeJS.Timeout | undefined
  private sweepTimer: NodeJS.Timeout | undefined
  private lookedAt = Number.NEGATIVE_INFINITY
  private sweeping: Promise<void> = Promise.resolve()
  private stopped = false
  private stopStats = async () => {}

  /** `main`: run again in the managed cgroup, to measure the kernel. `listeners`: sockets that others hold. */
  constructor(config: RelayConfig, main: string, listeners: readonly number[] = []) {
    this.main = main
    this.listeners = listeners
    this.config = config
    this.pins = new Pins(config.bpffs)
    this.journal = new Journal(config.journal)
    this.workloads = new WorkloadsFile(config.workloads)
  }

  async start(): Promise<void> {
    this.stopStats = await serveStats(this.config.stats, () => this.stats())
    await this.beat()
  }

  /** Ends nothing that is under way: what is pending, the next relay finds in the kernel. */
  async stop(): Promise<void> {
    this.stopped = true
    clearTimeout(this.sweepTimer)
    clearTimeout(this.tickTimer)
    await this.sweeping
    clearTimeout(this.sweepTimer)
    await this.closeSession()
    await this.stopStats()
    this.sockets.close()
    await this.journal.close()
  }

  /** One slow beat: what no event tells. Plans the next one. */
  private async beat(): Promise<void> {
    this.sweeping = this.sweep().catch((error) => this.complaints.about('sweep', error))
    await this.sweeping
    if (this.stopped) return
    const wait = this.session ? this.config.sweepMs : Math.min(WAIT_FOR_PINS_MS, this.config.sweepMs)
    this.sweepTimer = setTimeout(() => void this.beat(), wait)
  }

  private async sweep(): Promise<void> {
    if (this.session && !this.session.isCurrent()) await this.closeSession()
    if (!this.session) await this.openSession()
    const { session, parts } = this
    if (!session || !parts) return
    session.ring.consume()
    const connections = [...session.connections.all()]
    parts.endings.sweep(connections, now())
    parts.draining.sweep(connections, session.activeSlot(), now())
    parts.oldDispatchers.sweep(oldDispatchers(this.pins, this.config.cgroup), now())
    this.planTick()
    const workloads = await this.workloads.read()
    await this.serveOutbound(parts, workloads)
    const managed = { cgroups: cgroupIds(this.config.cgroup), addresses: addressKeys(workloads) }
    await this.measure(session)
    await parts.modes.sweep(
      { workloads, kernel: this.kernel },
      listeners(this.sockets, managed),
      this.config.cgroup,
    )
    if (parts.established.count === 0 && now() - this.lookedAt < ESTABLISHED_MS) return
    parts.established.sweep(managed, now())
    this.lookedAt = now()
  }

  /** Once a generation lets bytes through; a node that can't be measured is asked a few times only. */
  private async measure(session: Session): Promise<void> {
    if (this.kernel !== UNKNOWN_KERNEL || this.probes >= MAX_PROBES || session.activeSlot() === null) return
    this.probes++
    this.kernel = await probeKernel(this.config.cgroup, this.config.bpffs, this.main)
    if (this.kernel === UNKNOWN_KERNEL) this.complaints.about('probing the kernel', 'no answer')
  }

  private async openSession(): Promise<void> {
    const session = Session.open(this.pins, {
      event: (event) => this.take(event),
      drained: () => this.planTick(),
    })
    if (!session) return
    try {
      this.parts = this.partsOf(session)
      this.session = session
      this.lookedAt = Number.NEGATIVE_INFINITY
    } catch (error) {
      // Pins of a dispatcher that lacks a map of ours: tried again, with nothing left open.
      await session.close()
      throw error
    }
  }

  private partsOf(session: Session): Parts {
    const { sockets, config } = this
    const { connections } = session
    const endings = new Endings(
      { connections, sockets, ended: (refused, how, error) => this.ended(refused, how, error) },
      config,
    )
    const mirror = () => this.parts?.outbound?.copies.mirror
    const modes = new ModeKeeper(this.pins, (what, error) => this.complaints.about(what, error), mirror)
    const established = new Established(
      {
        connections,
        sockets,
        relayed: (name) => modes.isOwn(name),
        found: (name, destroyed) => this.foundEstablished(name, destroyed),
      },
      config.establishedMs,
    )
    const draining = new Draining({ sockets, drained: (c) => this.noteDrained(c) }, config.drainMs)
    const oldDispatchers = new OldDispatchers(
      { sockets, drained: (name, dispatcher) => this.write('dispatcher-drained', name, { dispatcher }) },
      config.dispatcherDrainMs,
    )
    return { endings, established, draining, oldDispatchers, modes, outbound: undefined }
  }

  /** Once a dispatcher is attached that knows of services. */
  private async serveOutbound(parts: Parts, workloads: readonly Workload[]): Promise<void> {
    const own = workloads.filter(({ node = this.config.node }) => node === this.config.node)
    const addresses = own.flatMap((each) => each.addresses.map((text) => addressBytes(text)))
    if (parts.outbound) {
      parts.outbound.sweep(addresses)
      return
    }
    const dispatcher = currentDispatcher(this.pins, this.config.cgroup)
    if (!dispatcher || !KernelOutbound.isServedBy(this.pins, dispatcher)) return
    const complain = (error: unknown) => this.complaints.about('a connection to a service', error)
    const outbound = new KernelOutbound(this.pins, dispatcher, { now, random, complain })
    parts.outbound = outbound
    outbound.sweep(addresses)
    await outbound.listen(this.listeners)
  }

  private async closeSession(): Promise<void> {
    const { session, parts } = this
    this.session = undefined
    this.parts = undefined
    clearTimeout(this.tickTimer)
    this.tickTimer = undefined
    await parts?.outbound?.close(this.config.stopMs)
    await parts?.modes.close()
    await session?.close()
  }

  private take(event: RelayEvent | undefined): void {
    if (!event) {
      this.events.unknown++
      return
    }
    this.events.taken++
    if (this.parts?.outbound?.take(event)) return
    this.parts?.endings.tell(event, now())
  }

  private planTick(): void {
    if (!this.parts?.endings.busy || this.tickTimer || this.stopped) return
    this.tickTimer = setTimeout(() => {
      this.tickTimer = undefined
      this.parts?.endings.tick(now())
      this.planTick()
    }, TICK_MS)
  }

  private ended(
    refused: SocketName & { reason: number; status: number },
    how: Ending,
    error?: unknown,
  ): void {
    this.outcomes[how]++
    if (error !== undefined) this.complaints.about('ending a connection', error)
    this.write('ended', refused, { how, reason: reasonName(refused.reason), status: refused.status })
  }

  private foundEstablished(name: SocketName, destroyed: boolean): void {
    this.write(destroyed ? 'established-destroyed' : 'established-found', name, {})
  }

  private noteDrained(connection: Connection): void {
    this.drained++
    this.write('drained', connection, { slot: connection.slot })
  }

  private write(event: string, name: SocketName, more: Record<string, unknown>): void {
    this.journal.write({
      at: new Date().toISOString(),
      node: this.config.node,
      event,
      connection: socketText(name),
      cookie: String(name.cookie),
      ...more,
    })
  }

  private stats(): Record<string, unknown> {
    const { parts, session } = this
    const cpu = process.cpuUsage()
    return {
      node: this.config.node,
      attached: session !== undefined,
      uptimeMs: Math.round(process.uptime() * 1000),
      rssBytes: process.memoryUsage.rss(),
      cpuMs: Math.round((cpu.user + cpu.system) / 1000),
      counters: session?.isCurrent() ? readCounters(this.pins.map('counters'), Reason) : {},
      events: this.events,
      endings: this.outcomes,
      pending: parts?.endings.pending ?? { ending: 0, owing: 0 },
      draining: { held: parts?.draining.count ?? 0, destroyed: this.drained },
      dispatchers: {
        draining: parts?.oldDispatchers.report(now()) ?? [],
        destroyed: parts?.oldDispatchers.destroyed ?? 0,
      },
      established: {
        ...(parts?.established.report(now()) ?? { count: 0, first: [] }),
        destroyed: parts?.established.destroyed ?? 0,
      },
      kernel: this.kernel,
      modes: parts?.modes.choices ?? {},
      /** Judged by the relay itself, not in `counters`. */
      relayed: {
        ...parts?.modes.proxy?.connections,
        ...parts?.modes.proxy?.verdicts,
        open: parts?.modes.proxy?.open ?? 0,
      },
      outbound: (session?.isCurrent() && parts?.outbound?.stats) || null,
      complaints: this.complaints.count,
      journalDropped: this.journal.dropped,
    }
  }
}
