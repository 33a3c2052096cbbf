/**
 * One managed node on this machine's loopback: a cgroup and a bpffs directory of
 * its own, the real programs, real servers. Everything goes again on close().
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface, type Interface } from 'node:readline'
import { once } from 'node:events'
import { createKernel } from '../../../agent/adapters/libbpf-kernel.ts'
import { BpfMap, u32 } from '../../../agent/adapters/libbpf.ts'
import { type LiveMap, Pins } from '../../../agent/adapters/pins.ts'
import type { IdentityRows, Kernel } from '../../../agent/ports.ts'
import { Reason } from '../../../bpf/abi/heddle.gen.ts'
import { findCgroup2, removeCgroup } from '../../../infra/local/cgroup.ts'
import { mountBpffs } from './bpffs.ts'

/** Why kernel tests can't run here; undefined = they can. */
export function whyNoKernel(): string | undefined {
  if (process.getuid?.() !== 0) return 'needs root'
  if (!existsSync('/sys/kernel/btf/vmlinux')) return 'the kernel has no BTF'
  if (findCgroup2() === undefined) return 'cgroup v2 is not mounted'
  return undefined
}

let made = 0

export class KernelFixture {
  readonly kernel: Kernel
  readonly pins: Pins
  readonly directory: string
  readonly cgroup: string
  readonly bpffs: string
  private readonly children: ChildProcess[] = []

  private constructor() {
    const name = `heddle-test-${process.pid}-${++made}`
    this.directory = mkdtempSync(join(tmpdir(), 'heddle-kernel-'))
    this.cgroup = join(findCgroup2() ?? '', name)
    this.bpffs = join(mountBpffs(), name)
    mkdirSync(this.cgroup)
    mkdirSync(this.bpffs)
    this.kernel = createKernel({ bpffs: this.bpffs, cgroup: this.cgroup })
    this.pins = new Pins(this.bpffs)
  }

  static async create(dispatcherElf: Uint8Array): Promise<KernelFixture> {
    const fixture = new KernelFixture()
    try {
      const path = join(fixture.directory, 'dispatcher.o')
      writeFileSync(path, dispatcherElf)
      await fixture.kernel.install(path)
      return fixture
    } catch (error) {
      await fixture.close()
      throw error
    }
  }

  /** Load an artifact's ELF into a slot. The file name gives the rodata map its name. */
  async stage(slot: number, elf: Uint8Array, rows: IdentityRows[]): Promise<void> {
    const path = join(this.directory, 'inbound.o')
    writeFileSync(path, elf)
    await this.kernel.stage(slot, path, rows)
  }

  /** A process inside the managed cgroup: it joins before it opens a socket. */
  spawnManaged(command: string, args: string[]): ChildProcess {
    const join = `echo $$ > ${this.cgroup}/cgroup.procs; exec "$0" "$@"`
    const child = spawn('sh', ['-c', join, command, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
    this.children.push(child)
    return child
  }

  /** Outside of the managed cgroup: to a node, somebody of another one. */
  spawnElsewhere(command: string, args: string[]): ChildProcess {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    this.children.push(child)
    return child
  }

  /** Starts the recording server; `lines` carries its later words. */
  async recordingServer(host = '127.0.0.1', bodyBytes = 0): Promise<RecordingServer> {
    const script = new URL('./recording-server.js', import.meta.url).pathname
    const child = this.spawnManaged(process.execPath, [script, host, String(bodyBytes)])
    return RecordingServer.of(child)
  }

  /** Verdicts so far, by reason, summed over CPUs. */
  counters(): Record<string, number> {
    const map = BpfMap.pinned(this.pins.map('counters'))
    const cpus = possibleCpus()
    try {
      return Object.fromEntries(
        Object.entries(Reason)
          .filter(([name]) => name !== 'REASONS')
          .map(([name, reason]) => {
            const value = map.lookup(u32(reason), 8 * cpus) ?? Buffer.alloc(8 * cpus)
            const perCpu = Array.from({ length: cpus }, (_, i) => Number(value.readBigUInt64LE(8 * i)))
            return [name, perCpu.reduce((a, b) => a + b, 0)]
          }),
      )
    } finally {
      map.close()
    }
  }

  withMap<T>(name: LiveMap, use: (map: BpfMap) => T): T {
    const map = BpfMap.pinned(this.pins.map(name))
    try {
      return use(map)
    } finally {
      map.close()
    }
  }

  async close(): Promise<void> {
    for (const child of this.children) {
      if (child.exitCode !== null || child.signalCode !== null) continue
      const gone = once(child, 'exit')
      // What it was about to say would end in the middle of a line.
      child.stdout?.destroy()
      child.kill('SIGKILL')
      await gone
    }
    await this.kernel.detach()
    rmdirSync(this.bpffs)
    await removeCgroup(this.cgroup)
    rmSync(this.directory, { recursive: true, force: true })
  }
}

function possibleCpus(): number {
  const range = readFileSync('/sys/devices/system/cpu/possible', 'utf8').trim()
  return Number(range.split('-').at(-1)) + 1
}

/** What one connection brought to the server. */
export type Recorded = { port: number; bytes: Buffer }

export class RecordingServer {
  readonly port: number
  private readonly waiting = new Map<number, (recorded: Recorded) => void>()
  private readonly early = new Map<number, Recorded>()

  private readonly child: ChildProcess

  private constructor(child: ChildProcess, port: number, lines: Interface) {
    this.child = child
    this.port = port
    lines.on('line', (line) => {
      const said = JSON.parse(line) as { port: number; bytes: string }
      const recorded = { port: said.port, bytes: Buffer.from(said.bytes, 'base64') }
      const resolve = this.waiting.get(recorded.port)
      this.waiting.delete(recorded.port)
      if (resolve) resolve(recorded)
      else this.early.set(recorded.port, recorded)
    })
  }

  static async of(child: ChildProcess): Promise<RecordingServer> {
    if (child.stdout === null) throw new Error('the server has no output')
    const lines = createInterface({ input: child.stdout })
    const [first] = (await once(lines, 'line')) as [string]
    return new RecordingServer(child, (JSON.parse(first) as { port: number }).port, lines)
  }

  signal(name: NodeJS.Signals): void {
    this.child.kill(name)
  }

  /** Resolves when the server has closed the connection that came from `clientPort`. */
  recorded(clientPort: number): Promise<Recorded> {
    const early = this.early.get(clientPort)
    this.early.delete(clientPort)
    if (early) return Promise.resolve(early)
    return new Promise((resolve) => this.waiting.set(clientPort, resolve))
  }
}
