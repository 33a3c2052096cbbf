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
import { sha256 } from '../../agent/cache.ts'
import { askRelay } from '../../agent/relay/stats.ts'
import { digestsOf } from '../../agent/trust/code.ts'
import { Limit } from '../../bpf/abi/heddle.gen.ts'
import { openFsStore } from '../../functions/adapters/fs-store.ts'
import { findCgroup2, removeCgroup } from '../../infra/local/cgroup.ts'
import { enroll } from '../../infra/node/enroll.ts'
import type { Digest } from '../../pipelines/contract/artifact.ts'
import type { Route } from '../../pipelines/policy/route.ts'
import { compileSet, dispatcherElf } from '../bpf/kernel/artifacts.ts'
import { mountBpffs } from '../bpf/kernel/bpffs.ts'
import { whyNoKernel } from '../bpf/kernel/kernel-fixture.ts'
import { FRONT_ROUTE } from '../bpf/kernel/outbound-fixture.ts'
import { startAgent } from '../fakes/agent-process.ts'
import { listeningSocket } from '../fakes/listening-sockets.ts'
import { publishedRepository } from '../fakes/published-repository.ts'

const DEEP = process.env['HEDDLE_DEEP'] === '1'
/** Seconds: of the whole, between two deaths of the agent, between two restarts of the relay. */
const PLAN = DEEP ? { whole: 1_800, agent: 10, relay: 60 } : { whole: 20, agent: 6, relay: 9 }
const CONNECTIONS = 16
const FRONT = '10.96.0.1'
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

async function server(label: string, cgroup: string): Promise<number> {
  const child = run([process.execPath, built('test/bpf/kernel/outbound-server.js'), label], cgroup)
  return (JSON.parse(await firstLine(child)) as { port: number }).port
}

async function relay(config: string, listener: number): Promise<ChildProcess> {
  const child = run([process.execPath, built('agent/relay/main.js'), '--config', config], undefined, listener)
  await firstLine(child)
  return child
}

/** Two artifacts that say the same: every flip is a swap under traffic, none changes an answer. */
async function artifacts(directory: string) {
  const routes: Route[] = [FRONT_ROUTE]
  const other: Route = { ...FRONT_ROUTE, rules: [...FRONT_ROUTE.rules].reverse() }
  const compiled = [
    await compileSet({ policies: [], routes }),
    await compileSet({ policies: [], routes: [other] }),
  ]
  const digests = digestsOf(compiled[0]?.elf ?? new Uint8Array())
  const published = await publishedRepository({
    store: await openFsStore(join(directory, 'store')),
    code: { 'inbound-14': digests.code },
    dispatcher: await dispatcherElf(),
  })
  const published2: Digest[] = []
  for (const { elf, blocks, services, routes: entries } of compiled) {
    const { code, tables } = digestsOf(elf)
    published2.push(
      await published.publishArtifact(
        {
          schema: 'heddle.artifact/1',
          abi: 1,
          kernel: { minimum: '6.1', arch: 'bpfel', hooks: [] },
          code: { variant: 'inbound-14', digest: code },
          tables: { digest: tables, words: 1 },
          elf: { digest: sha256(elf), bytes: elf.length },
          blocks,
          services: [...services],
          routes: [...entries],
          policies: [],
          source: { repository: 'r', commit: 'c'.repeat(40), author: 'a', committed: '2026-11-23' },
        },
        elf,
      ),
    )
  }
  return { published, digests: published2 }
}

/** Entries of maps that have one for each connection. */
function populations(bpffs: string): { clients: number; conns: number } {
  const pins = new Pins(bpffs)
  const count = (map: 'clients' | 'conns') => {
    const opened = BpfMap.pinned(pins.map(map))
    try {
      return [...opened.keys(8, 2 * Limit.MAX_CONNS)].length
    } finally {
      opened.close()
    }
  }
  return { clients: count('clients'), conns: count('conns') }
}

const rssOf = (child: ChildProcess) =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1]) / 1024

test('traffic notices nothing but restarts of the relay', {
  skip,
  timeout: (PLAN.whole + 120) * 1_000,
}, async (t) => {
  const { directory, cgroup, bpffs } = place()
  const { published, digests } = await artifacts(directory)
  const [a, b, second] = [await server('a', cgroup), await server('b', cgroup), await server('a', cgroup)]
  const services = (more: boolean) => {
    const listed = (...ports: number[]) => ports.map((port) => ({ address: '127.0.0.1', port }))
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

  const client = run(
    [process.execPath, built('test/e2e/soak-client.js'), FRONT, '80', String(CONNECTIONS)],
    join(cgroup, 'caller'),
  )
  const restarts: { from: number; to: number }[] = []
  const inRestart = (at: number) =>
    restarts.some(({ from, to }) => at >= from - 1_000 && at <= to + AFTERMATH_MS)
  const reports: { at: number; asked: number; good: number; wrong: Record<string, number> }[] = []
  const lines = createInterface({ input: client.stdout as NodeJS.ReadableStream })
  lines.on('line', (line) => reports.push({ at: Date.now(), ...JSON.parse(line) }))

  const end = Date.now() + PLAN.whole * 1_000
  let memory = 0
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
    if (second_ === 5) memory = rssOf(current)
  }
  client.kill('SIGTERM')
  await once(client, 'exit')

  const last = reports.at(-1)
  const wrong = reports.flatMap(({ at, wrong: said }) =>
    Object.entries(said).map(([what, times]) => ({
      what,
      times,
      excused: inRestart(at) && OF_A_RESTART.test(what),
    })),
  )
  t.diagnostic(
    `${last?.good} of ${last?.asked} answers good, ${release} releases, ${restarts.length} restarts of the relay, ` +
      `relay ${memory.toFixed(0)} -> ${rssOf(current).toFixed(0)} MB, not good: ${JSON.stringify(wrong.filter(({ excused }) => excused).map(({ what, times }) => `${what} ${times}`))}`,
  )
  assert.deepEqual(
    wrong.filter(({ excused }) => !excused),
    [],
  )
  assert.ok((last?.good ?? 0) > 100, 'there was traffic')
  while (populations(bpffs).clients > 0) await wait(100)
  if (DEEP)
    assert.ok(rssOf(current) < 1.5 * memory + 50, `the relay grew from ${memory} to ${rssOf(current)} MB`)
})
