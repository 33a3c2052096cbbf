/**
 * A node under mixed traffic while everything around the traffic changes: a release a second, endpoints
 * that come and go, an agent that is killed, a relay that is restarted. 20 seconds here, 30 minutes in
 * test:deep. Errors are only those that a restart of the relay is documented to cause, and only then.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { createKernel } from '../../agent/adapters/libbpf-kernel.ts'
import { BpfMap } from '../../agent/adapters/libbpf.ts'
import { Pins } from '../../agent/adapters/pins.ts'
import { askRelay } from '../../agent/relay/stats.ts'
import { ClientLayout, Limit } from '../../bpf/abi/heddle.gen.ts'
import { findCgroup2, removeCgroup } from '../../infra/local/cgroup.ts'
import { enroll } from '../../infra/node/enroll.ts'
import type { Digest } from '../../pipelines/contract/artifact.ts'
import { mountBpffs } from '../bpf/kernel/bpffs.ts'
import { whyNoKernel } from '../bpf/kernel/kernel-fixture.ts'
import { startAgent } from '../fakes/agent-process.ts'
import { soakArtifacts } from './soak-artifacts.ts'
import { listeningSocket } from '../fakes/listening-sockets.ts'

const DEEP = process.env['HEDDLE_DEEP'] === '1'
/** Seconds: of the whole, between two deaths of the agent, between two restarts of the relay. */
const PLAN = DEEP ? { whole: 1_800, agent: 10, relay: 60 } : { whole: 20, agent: 6, relay: 9 }
const CONNECTIONS = 16
/** By a route to a and b on this node, and to c on another. */
const FRONT = '10.96.0.1'
/** To c, without a route: past the relay while c is one endpoint. */
const FAR = '10.96.0.2'
/** No workload of the node has it. */
const ELSEWHERE = '127.0.0.2'
/** What clients may see while their relay restarts. */
const OF_A_RESTART = /^status 503$/
/** Milliseconds behind a restart in which its last connections may still end. */
const AFTERMATH_MS = 2_000

const skip = whyNoKernel() ?? false
const built = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url))
const name = `heddle-soak-${process.pid}`
const cleanups: (() => Promise<void> | void)[] = []
after(async () => {
  for (const cleanup of cleanups.reverse()) await cleanup()
})

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

/** A place for one node, gone afterwards with all that is in it. */
function place() {
  const directory = mkdtempSync(join(tmpdir(), 'heddle-soak-'))
  const cgroup = join(findCgroup2() ?? '', name)
  const bpffs = join(mountBpffs(), name)
  mkdirSync(join(cgroup, 'caller'), { recursive: true })
  mkdirSync(bpffs)
  cleanups.push(async () => {
    await createKernel({ bpffs, cgroup }).detach()
    rmdirSync(bpffs)
    await removeCgroup(join(cgroup, 'caller'))
    await removeCgroup(cgroup)
    rmSync(directory, { recursive: true, force: true })
  })
  return { directory, cgroup, bpffs }
}

/** A process, in a cgroup or outside, with a listening socket or without; killed at the end. */
function run(command: string[], cgroup?: string, listener?: number): ChildProcess {
  const enter = cgroup ? `echo $$ > ${cgroup}/cgroup.procs; exec "$0" "$@"` : 'exec "$0" "$@"'
  const child = spawn('sh', ['-c', enter, ...command], {
    stdio: ['ignore', 'pipe', 'inherit', ...(listener === undefined ? [] : [listener])],
    env: { ...process.env, ...(listener === undefined ? {} : { LISTEN_FDS: '1' }) },
  })
  cleanups.push(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const gone = once(child, 'exit')
    child.kill('SIGKILL')
    await gone
  })
  return child
}

async function firstLine(child: ChildProcess): Promise<string> {
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })
  const [line] = (await once(lines, 'line')) as [string]
  return line
}

async function server(label: string, host: string, cgroup?: string): Promise<number> {
  const child = run([process.execPath, built('test/bpf/kernel/outbound-server.js'), label, host], cgroup)
  return (JSON.parse(await firstLine(child)) as { port: number }).port
}

async function relay(config: string, listener: number): Promise<ChildProcess> {
  const child = run([process.execPath, built('agent/relay/main.js'), '--config', config], undefined, listener)
  await firstLine(child)
  return child
}

/** Clients' connections, and how many of them lead past the relay. */
function populations(bpffs: string): { clients: number; past: number } {
  const opened = BpfMap.pinned(new Pins(bpffs).map('clients'))
  try {
    const values = [...opened.keys(8, 2 * Limit.MAX_CONNS)].map((key) =>
      opened.lookup(key, ClientLayout.bytes),
    )
    const { at } = ClientLayout.fields.direct
    return { clients: values.length, past: values.filter((value) => value?.readUInt32LE(at)).length }
  } finally {
    opened.close()
  }
}

const rssOf = (child: ChildProcess) =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1]) / 1024

test('traffic notices nothing but restarts of the relay', {
  skip,
  timeout: (PLAN.whole + 120) * 1_000,
}, async (t) => {
  const { directory, cgroup, bpffs } = place()
  const { published, digests } = await soakArtifacts(directory)
  const here = (label: string) => server(label, '127.0.0.1', cgroup)
  const [a, b, second] = [await here('a'), await here('b'), await here('a')]
  const [c, third] = [await server('c', ELSEWHERE), await server('c', ELSEWHERE)]
  const services = (more: boolean) => {
    const at = (address: string, ports: number[]) => ports.map((port) => ({ address, port }))
    const listed = (...ports: number[]) => at('127.0.0.1', ports)
    const elsewhere = at(ELSEWHERE, more ? [c, third] : [c])
    const service = (label: string, addresses: string[], endpoints: object[]) => ({
      namespace: 'shop',
      name: label,
      addresses,
      ports: [{ port: 80 }],
      endpoints,
    })
    const all = [
      service('front', [FRONT], listed(a)),
      service('a', [], more ? listed(a, second) : listed(a)),
      service('b', [], listed(b)),
      service('c', [], elsewhere),
      service('far', [FAR], elsewhere),
    ]
    writeFileSync(join(directory, 'services.json'), JSON.stringify(all))
  }
  services(false)
  const caller = { namespace: 'shop', name: 'caller', labels: { app: 'caller' }, addresses: ['127.0.0.1'] }
  writeFileSync(
    join(directory, 'workloads.json'),
    JSON.stringify({ workloads: [{ ...caller, cgroup: 'caller', mode: 'kernel' }] }),
  )
  writeFileSync(join(directory, 'root.json'), published.root)
  const workloads = join(directory, 'workloads.json')
  await enroll({
    directory: join(directory, 'node'),
    node: 'node-1',
    ring: 'canary',
    previousRing: null,
    store: join(directory, 'store'),
    rootFile: join(directory, 'root.json'),
    natsUrl: null,
    bpffs,
    cgroup,
    workloads,
    services: join(directory, 'services.json'),
    pollMs: 200,
    repin: false,
  })
  const config = join(directory, 'node', 'node.json')
  let agent = startAgent(config)
  cleanups.push(() => agent.end('SIGKILL'))
  let release = 1
  await published.release('canary', release, digests[0] as Digest)
  await agent.says('enforced, release 1')
  const relayConfig = join(directory, 'relay.json')
  const stats = join(directory, 'relay.sock')
  const own = { schema: 'heddle.relay/1', node: 'node-1', stats, sweepMs: 200, stopMs: 2_000 }
  writeFileSync(relayConfig, JSON.stringify({ ...own, bpffs, cgroup, workloads }))
  const listener = listeningSocket()
  cleanups.push(() => listener.close())
  let current = await relay(relayConfig, listener.fd)
  while (((await askRelay(stats)) as { outbound: unknown }).outbound === null) await wait(50)

  const traffic = (host: string, servers: string) =>
    run(
      [process.execPath, built('test/e2e/soak-client.js'), host, '80', String(CONNECTIONS), servers],
      join(cgroup, 'caller'),
    )
  const clients = [traffic(FRONT, 'a,b,c'), traffic(FAR, 'c')]
  const restarts: { from: number; to: number }[] = []
  const inRestart = (at: number) =>
    restarts.some(({ from, to }) => at >= from - 1_000 && at <= to + AFTERMATH_MS)
  type Report = { at: number; asked: number; good: number; wrong: Record<string, number> }
  const reports: Report[][] = clients.map((client) => {
    const told: Report[] = []
    const lines = createInterface({ input: client.stdout as NodeJS.ReadableStream })
    lines.on('line', (line) => told.push({ at: Date.now(), ...JSON.parse(line) }))
    return told
  })

  const end = Date.now() + PLAN.whole * 1_000
  let memory = 0
  let past = 0
  for (let second_ = 1; Date.now() < end; second_++) {
    await wait(1_000)
    release++
    await published.release('canary', release, digests[release % 2] as Digest)
    services(second_ % 4 < 2)
    if (second_ % PLAN.agent === 0) {
      await agent.end('SIGKILL')
      agent = startAgent(config)
    }
    if (second_ % PLAN.relay === 0) {
      const restart = { from: Date.now(), to: Number.POSITIVE_INFINITY }
      restarts.push(restart)
      const gone = once(current, 'exit')
      current.kill('SIGTERM')
      await gone
      current = await relay(relayConfig, listener.fd)
      restart.to = Date.now()
    }
    past = Math.max(past, populations(bpffs).past)
    if (second_ === 5) memory = rssOf(current)
  }
  await Promise.all(
    clients.map((client) => {
      client.kill('SIGTERM')
      return once(client, 'exit')
    }),
  )

  const last = reports.map((told) => told.at(-1))
  const wrong = reports.flat().flatMap(({ at, wrong: said }) =>
    Object.entries(said).map(([what, times]) => ({
      what,
      times,
      excused: inRestart(at) && OF_A_RESTART.test(what),
    })),
  )
  t.diagnostic(
    `${last.map((each) => `${each?.good} of ${each?.asked}`).join(' and, by no route, ')} answers good, ${release} releases, ${restarts.length} restarts of the relay, ` +
      `${past} connections past it at a time, relay ${memory.toFixed(0)} -> ${rssOf(current).toFixed(0)} MB, not good: ${JSON.stringify(wrong.filter(({ excused }) => excused).map(({ what, times }) => `${what} ${times}`))}`,
  )
  assert.deepEqual(
    wrong.filter(({ excused }) => !excused),
    [],
  )
  for (const each of last) assert.ok((each?.good ?? 0) > 100, 'there was traffic')
  assert.ok(past > 0, 'there were connections past the relay')
  while (populations(bpffs).clients > 0) await wait(100)
  if (DEEP)
    assert.ok(rssOf(current) < 1.5 * memory + 50, `the relay grew from ${memory} to ${rssOf(current)} MB`)
})
