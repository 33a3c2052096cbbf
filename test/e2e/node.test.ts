/**
 * One node with its real kernel: enrolled by the command line, an agent in its
 * own process, programs from clang, a signed store in a directory, no bus.
 */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { sha256 } from '../../agent/cache.ts'
import { digestsOf } from '../../agent/trust/code.ts'
import { openFsStore } from '../../functions/adapters/fs-store.ts'
import type { Digest, Manifest } from '../../pipelines/contract/artifact.ts'
import { DISPATCHER_TARGET } from '../../pipelines/contract/object-keys.ts'
import type { PolicySet } from '../../pipelines/policy/model.ts'
import { buildTables } from '../../pipelines/tables/build-tables.ts'
import { findCgroup2 } from '../../infra/local/cgroup.ts'
import { mountBpffs } from '../bpf/kernel/bpffs.ts'
import { nextDispatcher } from '../bpf/kernel/other-sources.ts'
import { whyNoKernel } from '../bpf/kernel/kernel-fixture.ts'
import { type AgentProcess, startAgent } from '../fakes/agent-process.ts'
import { eventually } from '../fakes/local-delivery.ts'
import { type PublishedRepository, publishedRepository } from '../fakes/published-repository.ts'

const skip = whyNoKernel() ?? false
const ROOT = fileURLToPath(new URL('../../../', import.meta.url))
const built = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url))
const VARIANT = 'inbound-14'
const WORDS_LOG2 = 14

let directory: string
let cgroup: string
let bpffs: string
let config: string
let published: PublishedRepository
let one: Digest
let two: Digest
const agents = new Set<AgentProcess>()

before(async () => {
  if (skip) return
  directory = mkdtempSync(join(tmpdir(), 'heddle-node-e2e-'))
  cgroup = join(findCgroup2() ?? '', `heddle-node-e2e-${process.pid}`)
  bpffs = join(mountBpffs(), `heddle-node-e2e-${process.pid}`)
  mkdirSync(cgroup)
  mkdirSync(bpffs)
  await clang('dispatcher', [])
  const first = await program('/one')
  published = await publishedRepository({
    store: await openFsStore(join(directory, 'store')),
    code: { [VARIANT]: digestsOf(first.elf).code },
    dispatcher: readFileSync(join(directory, 'dispatcher.o')),
  })
  one = await published.publishArtifact(first.manifest, first.elf)
  const second = await program('/two')
  two = await published.publishArtifact(second.manifest, second.elf)
  writeFileSync(join(directory, 'root.json'), published.root)
  const workloads = [{ name: 'a', namespace: 'shop', labels: { app: 'a' }, addresses: ['10.77.0.1'] }]
  writeFileSync(join(directory, 'workloads.json'), JSON.stringify({ workloads }))
  writeServices('10.96.0.1')
  config = join(directory, 'node', 'node.json')
  await enroll()
})

after(async () => {
  if (skip) return
  for (const agent of agents) await agent.end('SIGKILL')
  await heddle('node', 'detach', '--yes', '--config', config)
  rmdirSync(cgroup)
  rmSync(bpffs, { recursive: true, force: true })
  rmSync(directory, { recursive: true, force: true })
})

async function clang(name: string, more: string[]): Promise<void> {
  const include = `-I/usr/include/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu`
  const flags = ['-O2', '-g', '-target', 'bpf', '-mcpu=v3', '-Wno-c23-extensions', include, ...more]
  const files = ['-c', `bpf/programs/${name}.c`, '-o', join(directory, `${name}.o`)]
  await execa('clang-22', [...flags, ...files], { cwd: ROOT })
}

/** An artifact that lets everybody ask the workloads of `shop` for this path. */
async function program(path: string): Promise<{ elf: Uint8Array; manifest: Manifest }> {
  const source = { file: 'policy.yaml', line: 1, column: 1 }
  const http = [{ source, path, headers: [] }]
  const allow = [{ source, peers: null, ports: null, http }]
  const subject = { namespaces: ['shop'], requirements: [] }
  const parts = { name: 'p', namespace: 'shop', source, subject, unparsed: 'refuse' as const, selects: true }
  const set: PolicySet = { policies: [{ ...parts, allow, deny: [] }], routes: [] }
  const result = buildTables(set)
  assert.ok(result.ok)
  const { blob, blocks } = result.tables
  const tables = Buffer.alloc(4 << WORDS_LOG2)
  tables.set(blob)
  writeFileSync(join(directory, 'policy.bin'), tables)
  await clang('inbound', [`-DPOLICY_WORDS_LOG2=${WORDS_LOG2}`, `--embed-dir=${directory}`])
  const elf = readFileSync(join(directory, 'inbound.o'))
  const digests = digestsOf(elf)
  const manifest: Manifest = {
    schema: 'heddle.artifact/1',
    abi: 1,
    kernel: { minimum: '6.1', arch: 'bpfel', hooks: [] },
    code: { variant: VARIANT, digest: digests.code },
    tables: { digest: digests.tables, words: blob.length / 4 },
    elf: { digest: sha256(elf), bytes: elf.length },
    blocks: [...blocks],
    services: [],
    routes: [],
    intents: [],
    policies: [],
    source: {
      repository: 'policies',
      commit: 'c'.repeat(40),
      author: 'Policy Author',
      committed: '2026-11-23',
    },
  }
  return { elf, manifest }
}

function heddle(...args: string[]) {
  return execa(process.execPath, [built('infra/cli/main.js'), ...args], { reject: false })
}

async function enroll(): Promise<void> {
  const flags: [string, string][] = [
    ['directory', join(directory, 'node')],
    ['name', 'node-1'],
    ['ring', 'canary'],
    ['store', join(directory, 'store')],
    ['root', join(directory, 'root.json')],
    ['workloads', join(directory, 'workloads.json')],
    ['services', join(directory, 'services.json')],
    ['cgroup', cgroup],
    ['bpffs', bpffs],
  ]
  const enrolled = await heddle('node', 'enroll', ...flags.flatMap(([name, value]) => [`--${name}`, value]))
  assert.equal(enrolled.exitCode, 0, enrolled.stderr)
  const parsed = JSON.parse(readFileSync(config, 'utf8'))
  writeFileSync(config, JSON.stringify({ ...parsed, pollMs: 200 }))
}

function start(): AgentProcess {
  const agent = startAgent(config)
  agents.add(agent)
  return agent
}

/** What the audit says of the running programs: the artifact, or the broken link. */
async function audited(): Promise<unknown> {
  const { stdout } = await heddle('audit', 'node-1', '--json', '--config', config)
  const { links, broken } = JSON.parse(stdout)
  return broken?.link ?? links.find(({ link }: { link: string }) => link === 'artifact').facts.digest
}

/** One service, whose only endpoint is the node's workload. */
function writeServices(address: string): void {
  const a = {
    namespace: 'shop',
    name: 'a',
    addresses: [address],
    ports: [{ port: 80 }],
    selector: { app: 'a' },
  }
  writeFileSync(join(directory, 'services.json'), JSON.stringify([a]))
}

/** What the kernel has of the service: an agent may be on its way to write it. */
async function served(address: string): Promise<void> {
  const expected = `shop/a:80  ${address}:80  number 1\n  10.77.0.1:80  this node  workload shop/a  weight 1`
  await eventually(expected, async () => {
    const { stdout } = await heddle('node', 'services', '--config', config)
    return stdout === expected ? true : undefined
  })
}

/** Digest of the dispatcher that new connections meet, as the kernel has it. */
async function dispatcher(): Promise<unknown> {
  const { stdout } = await heddle('node', 'status', '--config', config)
  return JSON.parse(stdout).kernel.dispatcher
}

test('a node takes releases, is killed, comes back without store and bus, and each time can be audited', {
  skip,
  timeout: 120_000,
}, async () => {
  const first = start()
  await published.release('canary', 1, one)
  await first.says('enforced, release 1')
  assert.equal(await audited(), one)
  await served('10.96.0.1')
  writeServices('10.96.0.2')
  await served('10.96.0.2')

  const early = await heddle('node', 'detach', '--yes', '--config', config)
  assert.equal(early.exitCode, 1)
  assert.match(early.stderr, /^already-running: .*another agent has this state directory/)
  assert.equal(await audited(), one, 'nothing is taken away under a running agent')

  await published.release('canary', 2, two)
  await first.says('enforced, release 2')

  // Another dispatcher comes with a release; nobody is connected, so the one before it goes.
  const next = await nextDispatcher()
  await published.putCode({ path: DISPATCHER_TARGET, bytes: next })
  await published.release('canary', 3, two)
  await first.says('enforced, release 3')
  assert.equal(await dispatcher(), sha256(next))
  assert.equal(await audited(), two)
  await first.says('has no connection left and is unpinned')
  assert.equal(await audited(), two)

  // Every pin is wiped behind the agent's back: nothing is attached any more, and it notices by itself.
  for (const name of readdirSync(bpffs)) rmSync(join(bpffs, name), { recursive: true })
  await first.says('attached-differs: repaired')
  assert.equal(await audited(), two)
  assert.equal(await dispatcher(), sha256(next))
  await served('10.96.0.2')
  await first.end('SIGKILL')
  assert.equal(await audited(), two, 'programs stay without the agent')
  await served('10.96.0.2')

  // As after a reboot: nothing is attached any more, and the store is gone.
  assert.equal((await heddle('node', 'detach', '--yes', '--config', config)).exitCode, 0)
  assert.equal(await audited(), 'attached programs')
  rmSync(join(directory, 'store'), { recursive: true })
  const second = start()
  await second.says(': ready')
  assert.equal(await audited(), two, 'restored from the cache before anything is contacted')
  assert.equal(await dispatcher(), sha256(next))
  await served('10.96.0.2')
  await second.end('SIGTERM')
  assert.equal(await audited(), two)
})
