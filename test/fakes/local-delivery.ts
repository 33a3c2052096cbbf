/** A delivery on this machine for tests: real repository, hook, host process, NATS; nodes that only report. */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { execa } from 'execa'
import { ensureOperator } from '../../functions/adapters/dev-keys.ts'
import { openFsStore } from '../../functions/adapters/fs-store.ts'
import type { ObjectStore } from '../../functions/ports.ts'
import { AUTHOR_ENVIRONMENT } from '../../infra/local/git.ts'
import { type PreparedNats, prepareNats } from '../../infra/nats/local-server.ts'
import { checkoutCode } from '../../infra/trust/checkout-code.ts'
import { type Custody, initTrust } from '../../infra/trust/custody.ts'
import { CommitStatus } from '../../pipelines/contract/commit-status.ts'
import { releaseTarget, targetKey } from '../../pipelines/contract/object-keys.ts'
import { Release, type Report } from '../../pipelines/contract/release.ts'
import { inbox, report } from '../../pipelines/contract/subjects.ts'
import type { Ring } from '../../pipelines/rollout/plan.ts'
import { shownBy } from './bus-member.ts'
import { fakeCode } from './compiler.ts'
import { tufReader } from './tuf-reader.ts'

const FAKE_HOST = fileURLToPath(new URL('./functions-host.js', import.meta.url))
const CLANG_HOST = fileURLToPath(new URL('../../infra/local/functions-host.js', import.meta.url))
const PATIENCE_MS = 60_000
const POLL_MS = 20

const FLEET: Ring[] = [
  { name: 'ring-0', nodes: ['node-0'] },
  { name: 'ring-1', nodes: ['node-1', 'node-2'] },
]

/** Asks until there is an answer; how long it takes is no part of any test. */
export async function eventually<T>(
  what: string,
  ask: () => Promise<T | undefined> | T | undefined,
): Promise<T> {
  const deadline = performance.now() + PATIENCE_MS
  while (performance.now() < deadline) {
    const answer = await ask()
    if (answer !== undefined) return answer
    await sleep(POLL_MS)
  }
  throw new Error(`never came: ${what}`)
}

type Options = {
  bus: boolean
  until: 'published' | 'first-ring' | 'done'
  soakMs?: number
  /** With the real compiler; else with one that needs no clang and can be held. */
  clang?: boolean
}

export class LocalDelivery {
  readonly directory: string
  readonly #clang: boolean
  #host: ChildProcess | undefined
  #nats: ChildProcess | undefined
  readonly #stops: (() => Promise<void>)[] = []
  #server: PreparedNats | undefined

  private constructor(directory: string, clang: boolean) {
    this.directory = directory
    this.#clang = clang
  }

  static async start(options: Options): Promise<LocalDelivery> {
    const directory = await mkdtemp(join(tmpdir(), 'heddle-delivery-'))
    const delivery = new LocalDelivery(directory, options.clang ?? false)
    try {
      await delivery.#begin(options)
      return delivery
    } catch (error) {
      await delivery.stop()
      throw error
    }
  }

  path(name: string): string {
    return join(this.directory, name)
  }

  /** What an operator brings together; the host gets the online keys alone. */
  get custody(): Custody {
    const offline = [this.path('offline-keys')]
    return { store: this.path('store'), root: this.path('root.json'), offline, online: this.path('keys') }
  }

  get bus(): PreparedNats {
    if (this.#server === undefined) throw new Error('started without a bus')
    return this.#server
  }

  store(): Promise<ObjectStore> {
    return openFsStore(this.path('store'))
  }

  async #begin({ bus, until, soakMs = 20 }: Options): Promise<void> {
    // Nobody listens on the reserved port 1: the bus is configured, and down.
    let nats: { url: string; credentials?: string } = { url: 'nats://127.0.0.1:1' }
    if (bus) {
      const nodes = FLEET.flatMap(({ name: ring, nodes }) => nodes.map((name) => ({ name, ring })))
      const server = await prepareNats(this.path('nats'), '127.0.0.1', nodes)
      this.#server = server
      const [command = '', ...args] = server.command
      this.#nats = spawn(command, args, { stdio: 'ignore' })
      nats = { url: await eventually('nats', () => server.url()), ...server.functions }
    }
    const config = {
      repository: { path: 'policies.git' },
      store: 'store',
      keys: 'keys',
      queue: 'queue',
      nats,
      secretFile: 'secret',
      rings: FLEET,
      soakMs,
      operators: 'operators',
      portFile: 'port',
      rootFile: 'root.json',
      hook: { until, waitMs: PATIENCE_MS },
    }
    await writeFile(this.path('functions.json'), JSON.stringify(config))
    await ensureOperator(this.path('operators'), 'ada')
    await initTrust(this.custody, this.#clang ? await checkoutCode() : fakeCode)
    if (bus) await this.bus.publish(await this.store())
    await this.startHost()
    await this.git('init', '-q', '-b', 'main', '.')
    await this.git('remote', 'add', 'origin', this.path('policies.git'))
  }

  async startHost(): Promise<void> {
    await rm(this.path('port'), { force: true })
    const program = this.#clang ? [CLANG_HOST] : [FAKE_HOST, '--hold', this.path('hold')]
    const args = [...program, '--config', this.path('functions.json')]
    this.#host = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'] })
    await eventually('the host’s port', () => (existsSync(this.path('port')) ? true : undefined))
  }

  /** Resolves with the exit code, or the signal's name. */
  endHost(signal: NodeJS.Signals): Promise<number | string | null> {
    return end(this.#host, signal)
  }

  async git(...args: string[]): Promise<string> {
    const cwd = this.path('clone')
    await mkdir(cwd, { recursive: true })
    const { all } = await execa('git', args, { cwd, env: AUTHOR_ENVIRONMENT, all: true })
    return all
  }

  /** Commits the files (null = delete) and pushes. Returns the commit and what the push said. */
  async push(files: Record<string, string | null>): Promise<{ commit: string; said: string }> {
    const commit = await this.commit(files)
    return { commit, said: await this.git('push', 'origin', 'main') }
  }

  async commit(files: Record<string, string | null>): Promise<string> {
    for (const [path, text] of Object.entries(files)) {
      const file = join(this.path('clone'), path)
      await mkdir(dirname(file), { recursive: true })
      if (text === null) await rm(file)
      else await writeFile(file, text)
    }
    await this.git('add', '-A')
    await this.git('commit', '-q', '-m', 'change')
    return this.git('rev-parse', 'HEAD')
  }

  async url(): Promise<string> {
    return `http://127.0.0.1:${(await readFile(this.path('port'), 'utf8')).trim()}`
  }

  async status(commit: string): Promise<CommitStatus | undefined> {
    const response = await fetch(`${await this.url()}/status/${commit}`).catch(() => undefined)
    return response?.ok ? CommitStatus.parse(await response.json()) : undefined
  }

  /** What ring `ring` is told to run. */
  async released(ring: string): Promise<Release | undefined> {
    const release = await this.target(releaseTarget(ring))
    return release === undefined ? undefined : Release.parse(release)
  }

  /** A JSON target as an independent TUF client finds it, from the pinned root on. */
  async target(path: string): Promise<unknown> {
    const directory = await mkdtemp(join(this.directory, 'client-'))
    try {
      await writeFile(join(directory, 'root.json'), await readFile(this.path('root.json')))
      const store = await this.store()
      const target = await tufReader(store, directory).getTargetInfo(path)
      if (target === undefined) return undefined
      const object = await store.get(targetKey(target.path, target.hashes['sha256'] ?? ''), target.length)
      return JSON.parse(Buffer.from(object?.bytes ?? []).toString())
    } finally {
      await rm(directory, { recursive: true, force: true })
    }
  }

  /** Nodes that enforce whatever they are told, and repeat their report, as agents do. */
  async startNodes(): Promise<void> {
    for (const { name: ring, nodes } of FLEET) for (const node of nodes) await this.#startNode(node, ring)
  }

  async #startNode(node: string, ring: string): Promise<void> {
    const server = this.#server
    if (server === undefined) throw new Error('nodes need a bus')
    const shown = await shownBy(server, await this.store(), node)
    const servers = (await server.url()) ?? ''
    const connection: NatsConnection = await connect({ servers, ...shown, inboxPrefix: inbox(node) })
    let running = true
    let sequence = 0
    const loop = (async () => {
      while (running) {
        const release = await this.released(ring).catch(() => undefined)
        const { number, artifact } = release ?? { number: null, artifact: null }
        const statement: Report = {
          schema: 'heddle.report/1',
          node,
          ring,
          at: new Date().toISOString(),
          sequence: sequence++,
          outcome: 'unchanged',
          number,
          artifact,
          generation: number,
          failure: null,
          timings: {},
          measures: null,
          shadow: null,
        }
        connection.publish(report(node), JSON.stringify(statement))
        await sleep(250)
      }
    })()
    this.#stops.push(async () => {
      running = false
      await loop
      await connection.close()
    })
  }

  async stop(): Promise<void> {
    for (const stop of this.#stops) await stop().catch(() => {})
    await end(this.#host, 'SIGKILL')
    await end(this.#nats, 'SIGKILL')
    await rm(this.directory, { recursive: true, force: true })
  }
}

function end(process: ChildProcess | undefined, signal: NodeJS.Signals): Promise<number | string | null> {
  if (process === undefined) return Promise.resolve(null)
  if (process.exitCode !== null || process.signalCode !== null) {
    return Promise.resolve(process.exitCode ?? process.signalCode)
  }
  return new Promise((resolve) => {
    process.once('exit', (code, by) => resolve(code ?? by))
    process.kill(signal)
  })
}
