/** Carries out each workload's mode: looks at its listeners, tells the kernel, runs the proxy where it is needed. */
import { stat } from 'node:fs/promises'
import type { Workload } from '../../pipelines/policy/model.ts'
import { addressBytes } from '../adapters/address-bytes.ts'
import { fileWorkloads } from '../adapters/file-workloads.ts'
import { currentDispatcher } from '../adapters/attach.ts'
import type { DispatcherPins, Pins } from '../adapters/pins.ts'
import { chooseMode, type Mode, type ModeChoice, type NodeFacts } from '../modes.ts'
import { type Listener, Listeners, listensAt } from './listeners.ts'
import { addressKey } from './managed.ts'
import type { KernelFacts } from './probe.ts'
import type { Mirror } from './mirror/mirror.ts'
import { ProxyServer } from './proxy.ts'
import type { DiagSocket } from './sock-diag.ts'
import { type Flow, type Service, Steering } from './steering.ts'
import { Verdicts } from './verdicts.ts'

type Inputs = { workloads: readonly Workload[]; kernel: KernelFacts }

export class ModeKeeper {
  choices: Record<string, ModeChoice> = {}
  proxy: ProxyServer | undefined
  private readonly steering: Steering
  private readonly rules: Verdicts
  private readonly listeners = new Listeners()
  private readonly complain: (what: string, error: unknown) => void
  private readonly mirror: () => Mirror | undefined
  private relayWorks = true
  private readonly pins: Pins

  /** `mirror`: where requests that the proxy carries are copied. */
  constructor(
    pins: Pins,
    complain: (what: string, error: unknown) => void,
    mirror: () => Mirror | undefined,
  ) {
    this.pins = pins
    this.mirror = mirror
    this.steering = new Steering(pins)
    this.rules = new Verdicts(pins)
    this.complain = complain
  }

  /** `listening` = listening sockets of the managed cgroup. */
  async sweep(
    { workloads, kernel }: Inputs,
    listening: readonly DiagSocket[],
    cgroup: string,
  ): Promise<void> {
    const listeners = this.listeners.describe(listening, cgroup)
    const dispatcher = currentDispatcher(this.pins, cgroup)
    if (dispatcher !== undefined) {
      this.steering.follow(dispatcher)
      this.rules.follow(dispatcher)
      if (this.relayWorks && wantsRelay(workloads, listeners, kernel)) await this.startProxy(dispatcher)
    }
    const plan = planModes(workloads, listeners, { ...kernel, relayWorks: this.relayWorks })
    this.steering.set(plan.modes, plan.services)
    this.choices = plan.choices
  }

  isOwn(flow: Flow): boolean {
    return this.steering.isOwn(flow)
  }

  async close(): Promise<void> {
    await this.proxy?.close()
    this.steering.close()
    this.rules.close()
  }

  private async startProxy(dispatcher: DispatcherPins): Promise<void> {
    if (this.proxy) return
    const proxy = new ProxyServer(this.steering, this.rules, {
      complain: (error) => this.complain('a relayed connection', error),
      mirror: this.mirror,
    })
    try {
      this.steering.attach(await proxy.listen(), dispatcher)
      this.proxy = proxy
    } catch (error) {
      this.relayWorks = false
      this.complain('mode relay does not work here, its workloads are refused', error)
      await proxy.close()
    }
  }
}

export type ModePlan = { choices: Record<string, ModeChoice>; modes: Map<string, Mode>; services: Service[] }

/** Pure: which address gets which mode, and which of its ports are steered. */
export function planModes(
  workloads: readonly Workload[],
  listeners: readonly Listener[],
  node: NodeFacts,
): ModePlan {
  const plan: ModePlan = { choices: {}, modes: new Map(), services: [] }
  for (const { namespace, name, mode, addresses } of workloads) {
    const own = addresses.map((text) => addressBytes(text))
    const heard = listeners.filter((listener) => own.some((address) => listensAt(listener, address)))
    const choice = chooseMode(mode, heard, node)
    plan.choices[`${namespace}/${name}`] = choice
    for (const address of own) {
      plan.modes.set(addressKey(address), choice.mode)
      if (choice.mode !== 'relay') continue
      for (const listener of heard)
        if (listensAt(listener, address)) plan.services.push({ address, port: listener.port })
    }
  }
  return plan
}

function wantsRelay(
  workloads: readonly Workload[],
  listeners: readonly Listener[],
  kernel: KernelFacts,
): boolean {
  return Object.values(planModes(workloads, listeners, { ...kernel, relayWorks: true }).choices).some(
    ({ mode }) => mode === 'relay',
  )
}

/** Workloads of a file, read again only when it has changed. */
export class WorkloadsFile {
  private readonly file: string
  private version = ''
  private workloads: Workload[] = []

  constructor(file: string) {
    this.file = file
  }

  async read(): Promise<Workload[]> {
    const { ino, size, mtimeNs } = await stat(this.file, { bigint: true })
    const version = `${ino} ${size} ${mtimeNs}`
    if (version === this.version) return this.workloads
    this.workloads = await fileWorkloads(this.file).list()
    this.version = version
    return this.workloads
  }
}
