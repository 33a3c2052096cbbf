/** The four ways on which a stream gets to a server of this node, each with the real programs and a real relay. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { rowsFor } from '../../../agent/identities.ts'
import { compileSet, dispatcherElf } from './artifacts.ts'
import { holdClient } from './held-client.ts'
import { OutboundFixture } from './outbound-fixture.ts'
import { RelayFixture } from './relay-fixture.ts'
import type { Command, Said } from './smuggling-client.ts'
import { POLICY, type Side } from './smuggling-policy.ts'
import { type Heard, type ServerName, SmugglingServers } from './smuggling-servers.ts'

const CLIENT = fileURLToPath(new URL('./smuggling-client.js', import.meta.url))
/** What a client has asked before: its connection is known to all by then. */
export const LEAD = 'GET /lead HTTP/1.1\r\nHost: a\r\n\r\n'
/** Live numbers that the fixture's own services have not. */
const FIRST = 16
/** Connections at a time of those that fill the pools. */
const WARM = 12

type Place = { host: string; port: number }
export type Job = { id: number; parts: readonly Buffer[]; replies: number }
export type Ran = { end: Extract<Said, { end: string }>['end']; text: string }

/** `lead`: sent before a stream. `close` ends everything, also what `finish` has not. */
export interface Path {
  readonly side: Side
  readonly lead: string
  run(server: ServerName, job: Job): Promise<Ran>
  /** All that servers understood; nothing runs behind it. */
  finish(): Promise<Heard[]>
  close(): Promise<void>
}

class Client {
  private readonly child: ChildProcess
  private readonly waiting = new Map<number, (said: Said) => void>()

  private constructor(child: ChildProcess) {
    this.child = child
  }

  /** `cgroup`: the one that it lives in, if not the test's own. */
  static async start(cgroup?: string): Promise<Client> {
    const enter = cgroup === undefined ? 'exec "$0" "$@"' : `echo $$ > ${cgroup}/cgroup.procs; exec "$0" "$@"`
    const child = spawn('sh', ['-c', enter, process.execPath, CLIENT], { stdio: ['pipe', 'pipe', 'inherit'] })
    const client = new Client(child)
    const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })
    await once(lines, 'line')
    lines.on('line', (line) => {
      const said = JSON.parse(line) as Said
      client.waiting.get(said.id)?.(said)
    })
    return client
  }

  async run(
    place: Place,
    { id, parts, replies }: Job,
    lead: string,
    opened = (_port: number) => {},
  ): Promise<Ran> {
    const up = await this.ask({ op: 'open', id, ...place })
    if (!('port' in up)) return up
    opened(up.port)
    const sent = parts.map((part) => part.toString('base64'))
    const ran = await this.ask({
      op: 'run',
      id,
      lead: Buffer.from(lead).toString('base64'),
      parts: sent,
      replies,
    })
    if (!('end' in ran)) throw new Error(`the client says ${JSON.stringify(ran)}`)
    return { end: ran.end, text: Buffer.from(ran.text, 'base64').toString('latin1') }
  }

  async close(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return
    const gone = once(this.child, 'exit')
    this.child.kill('SIGKILL')
    await gone
  }

  private ask(command: Command): Promise<Said> {
    const said = new Promise<Said>((resolve) => this.waiting.set(command.id, resolve))
    this.child.stdin?.write(`${JSON.stringify(command)}\n`)
    return said
  }
}

/** Straight to the server's address, whose own kernel or relay judges. */
export async function inboundPath(mode: 'kernel' | 'relay'): Promise<Path> {
  const { elf, blocks } = await compileSet({ policies: [POLICY], routes: [] })
  const rows = rowsFor(blocks, [{ number: 1, namespace: 'shop', labels: {} }])
  const artifact = { dispatcher: Buffer.from(await dispatcherElf()), inbound: Buffer.from(elf), rows }
  const fixture = await RelayFixture.create(artifact, {}, mode)
  let client: Client | undefined
  try {
    const servers = await SmugglingServers.start(fixture.node)
    await fixture.startRelay()
    await fixture.until(
      ({ modes }) => modes['shop/a']?.mode === mode && modes['shop/a'].reason !== 'no-listener',
    )
    const from = await Client.start()
    client = from
    return {
      side: 'inbound',
      lead: '',
      run: (server, job) => from.run({ host: '127.0.0.1', port: servers.ports.get(server) ?? 0 }, job, ''),
      finish: () => servers.finish(),
      close: () => from.close().then(() => fixture.close()),
    }
  } catch (error) {
    await client?.close()
    await fixture.close()
    throw error
  }
}

/** From a client on this node to a service: from socket to socket, or `held` by the relay. */
export async function outboundPath(held: boolean): Promise<Path> {
  const fixture = await OutboundFixture.create([POLICY])
  let client: Client | undefined
  try {
    const servers = await SmugglingServers.start(fixture.node)
    const places = await servicesOf(fixture, servers)
    const from = await Client.start(fixture.node.cgroup)
    client = from
    const opened = held ? (port: number) => holdClient(fixture.node, port) : undefined
    const run = (server: ServerName, job: Job) => from.run(places.get(server) as Place, job, LEAD, opened)
    if (!held) for (const server of places.keys()) await warm(fixture, (job) => run(server, job))
    const before = fixture.ways().KERNEL_ROUTED
    return {
      side: 'client',
      lead: LEAD,
      run,
      finish: async () => {
        const routed = fixture.ways().KERNEL_ROUTED - before
        await fixture.stopRelay('SIGTERM')
        const heard = await servers.finish()
        const most = routed > heard.length / 2
        assert.ok(held ? routed === 0 : most, `${routed} of ${heard.length} requests came by the kernel`)
        return heard
      },
      close: () => from.close().then(() => fixture.close()),
    }
  } catch (error) {
    await client?.close()
    await fixture.close()
    throw error
  }
}

async function servicesOf(
  fixture: OutboundFixture,
  { ports }: SmugglingServers,
): Promise<Map<ServerName, Place>> {
  const { outbound } = fixture.node.kernel
  const places = new Map<ServerName, Place>()
  for (const [name, port] of ports) {
    const number = FIRST + places.size
    const address = `10.96.1.${number}`
    await outbound.write({
      map: 'endpoints',
      number,
      endpoint: { address: '127.0.0.1', port, local: true, weight: 1 },
    })
    await outbound.write({ map: 'members', first: number, endpoints: [number] })
    await outbound.write({ map: 'services', number, state: { first: number, count: 1, local: 1, zone: 1 } })
    await outbound.write({ map: 'service_addresses', address, port: 80, service: number })
    places.set(name, { host: address, port: 80 })
  }
  return places
}

/** Until the kernel finds upstreams for most that ask at a time. */
async function warm(fixture: OutboundFixture, run: (job: Job) => Promise<Ran>): Promise<void> {
  await fixture.until(async () => {
    const before = fixture.ways().KERNEL_ROUTED
    const jobs = Array.from({ length: WARM }, (_, i) =>
      run({ id: -1 - i, parts: [Buffer.from(LEAD)], replies: 1 }),
    )
    await Promise.all(jobs)
    return fixture.ways().KERNEL_ROUTED - before >= WARM
  })
}
