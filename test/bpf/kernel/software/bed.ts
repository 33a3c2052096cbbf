/**
 * One node whose clients reach every server at the service address, by the first segment of the path:
 * `/near-nginx/…` is on this node, `/far-nginx/…` on another, at the end of a veth pair.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { createCipheriv } from 'node:crypto'
import { once } from 'node:events'
import { chmodSync, createWriteStream, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { finished } from 'node:stream/promises'
import { fileURLToPath } from 'node:url'
import { findCgroup2, makeCgroup, removeCgroup } from '../../../../infra/local/cgroup.ts'
import { FRONT, FRONT_ROUTE, OutboundFixture, rule } from '../outbound-fixture.ts'
import { CLIENTS, type Client, type ClientName, hashOf } from './clients.ts'
import { type Command, echoAt, originAt, SERVERS, type ServerName } from './servers.ts'
import { freePort } from '../../../fakes/free-port.ts'

export const PLACES = ['near', 'far'] as const
export type Place = (typeof PLACES)[number]

/** Both ends of the wire, of four addresses that a killed run of another process has not left on one. */
const NET = `10.79.${(process.pid >> 6) & 255}`
const HERE = `${NET}.${4 * (process.pid & 63) + 1}`
const FAR = `${NET}.${4 * (process.pid & 63) + 2}`
const MANY = fileURLToPath(new URL('./many.js', import.meta.url))
/** Numbers of services, endpoints and members that the fixture has not. */
const FIRST = 16
/** Milliseconds; the JDK compiles its server first. */
const PATIENCE = 60_000

export class SoftwareBed {
  readonly node: OutboundFixture
  readonly dir = mkdtempSync(join(tmpdir(), 'heddle-software-'))
  private readonly namespace = `heddle-test-${process.pid}`
  private readonly beside = makeCgroup(join(findCgroup2() ?? '', `heddle-test-${process.pid}-beside`))
  /** Live numbers of its services. */
  private readonly numbers = new Map<string, number>()
  private readonly children: ChildProcess[] = []
  private readonly clients = new Map<ClientName, Client>()

  private constructor(node: OutboundFixture) {
    this.node = node
  }

  static async create(servers: readonly ServerName[], sizes: readonly number[]): Promise<SoftwareBed> {
    const bed = new SoftwareBed(await OutboundFixture.create())
    try {
      bed.layWire()
      for (const size of sizes) await bed.writeFile(size)
      await bed.startServers(servers)
      return bed
    } catch (error) {
      await bed.close()
      throw error
    }
  }

  /** A file of that many bytes, in which none looks like its neighbour. */
  file(size: number): string {
    return join(this.dir, 'files', String(size))
  }

  url(place: Place, server: ServerName, target: string): string {
    return `http://${FRONT.host}/${place}-${server}/${target}`
  }

  /** One of each; it keeps its connection. */
  client(name: ClientName): Client {
    const client = this.clients.get(name) ?? CLIENTS[name]({ cgroup: this.node.node.cgroup, dir: this.dir })
    this.clients.set(name, client)
    return client
  }

  /** `connections` of Node's http to one server, by the address of its own service. */
  async many(
    connections: number,
    { place, server, size, rounds }: { place: Place; server: ServerName; size: number; rounds: number },
  ): Promise<{ open: number; requests: number; wrong: string[] }> {
    const number = this.numbers.get(`${place}-${server}`) as number
    const address = `10.96.1.${number}`
    const { outbound } = this.node.node.kernel
    await outbound.write({ map: 'service_addresses', address, port: 80, service: number })
    const url = `http://${address}/own/f/${size}`
    const words = [MANY, connections, rounds, url, this.file(size)].map(String)
    const child = this.node.node.spawnManaged(process.execPath, words)
    const [line] = (await once(
      createInterface({ input: child.stdout as NodeJS.ReadableStream }),
      'line',
    )) as [string]
    return JSON.parse(line)
  }

  async close(): Promise<void> {
    await Promise.all([...this.clients.values()].map((client) => client.close()))
    await removeCgroup(this.beside)
    await this.node.close()
    try {
      execFileSync('ip', ['netns', 'delete', this.namespace], { stdio: 'ignore' })
    } catch {
      // It was not made.
    }
    rmSync(this.dir, { recursive: true, force: true })
  }

  private layWire(): void {
    // Apache's workers are nobody's.
    chmodSync(this.dir, 0o755)
    const end = `hdl${process.pid}`
    const lines = [
      `netns add ${this.namespace}`,
      `link add ${end} type veth peer name eth0 netns ${this.namespace}`,
      `addr add ${HERE}/30 dev ${end}`,
      `link set ${end} up`,
    ]
    const far = ['link set lo up', `addr add ${FAR}/30 dev eth0`, 'link set eth0 up']
    for (const line of lines) execFileSync('ip', line.split(' '))
    for (const line of far) execFileSync('ip', ['-n', this.namespace, ...line.split(' ')])
  }

  private async writeFile(size: number): Promise<void> {
    mkdirSync(join(this.dir, 'files'), { recursive: true })
    const noise = createCipheriv('aes-128-ctr', Buffer.alloc(16, 1), Buffer.alloc(16, 2))
    const out = createWriteStream(this.file(size))
    for (let left = size; left > 0; left -= 65_536) {
      if (!out.write(noise.update(Buffer.alloc(Math.min(left, 65_536))))) await once(out, 'drain')
    }
    out.end()
    await finished(out)
    writeFileSync(`${this.file(size)}.sha256`, await hashOf(this.file(size)))
  }

  private async startServers(servers: readonly ServerName[]): Promise<void> {
    const { dir } = this
    const sink = join(dir, 'sink')
    const echo = join(dir, 'echo')
    this.startBeside(originAt('unix', sink, join(dir, 'files')))
    this.startBeside(echoAt('unix', echo))
    for (const path of [sink, echo]) {
      await answering(() => connect({ path }))
      chmodSync(path, 0o777)
    }
    const spot = { dir, files: join(dir, 'files'), sink, echo }
    const started = servers.flatMap((server, index) =>
      PLACES.map(async (place) => {
        const at =
          place === 'near' ? { host: '127.0.0.1', port: await freePort() } : { host: FAR, port: 8000 + index }
        const command = SERVERS[server].command({ ...spot, ...at })
        if (place === 'near') this.node.node.spawnManaged(command[0], command.slice(1))
        else this.startBeside(['nsenter', `--net=/run/netns/${this.namespace}`, ...command])
        await answering(() => connect(at))
        return { name: `${place}-${server}`, address: at.host, port: at.port, local: place === 'near' }
      }),
    )
    await this.route(await Promise.all(started))
  }

  private async route(
    servers: { name: string; address: string; port: number; local: boolean }[],
  ): Promise<void> {
    const { outbound } = this.node.node.kernel
    for (const [i, { name, ...endpoint }] of servers.entries()) {
      const number = FIRST + i
      this.numbers.set(name, number)
      this.node.numbers.set(`shop/${name}:80`, number)
      await outbound.write({ map: 'endpoints', number, endpoint: { ...endpoint, weight: 1 } })
      await outbound.write({ map: 'members', first: number, endpoints: [number] })
      const local = endpoint.local ? 1 : 0
      await outbound.write({
        map: 'services',
        number,
        state: { first: number, count: 1, local, zone: local },
      })
    }
    const rules = servers.map(({ name }) => rule(`/${name}`, name))
    await this.node.enforce(2, [], [{ ...FRONT_ROUTE, rules }])
  }

  /** Outside of the managed cgroup. */
  private startBeside(command: Command): void {
    const enter = `echo $$ > ${this.beside}/cgroup.procs; exec "$0" "$@"`
    this.children.push(spawn('sh', ['-c', enter, ...command], { stdio: ['ignore', 'ignore', 'inherit'] }))
  }
}

/** Resolves when somebody accepts there. */
async function answering(call: () => ReturnType<typeof connect>): Promise<void> {
  for (const end = Date.now() + PATIENCE; ; ) {
    const socket = call()
    try {
      await once(socket, 'connect')
      return
    } catch (error) {
      if (Date.now() > end) throw error
      await new Promise((resolve) => setTimeout(resolve, 50))
    } finally {
      socket.destroy()
    }
  }
}
