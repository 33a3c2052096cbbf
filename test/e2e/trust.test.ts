/**
 * Keys, roots and lost nodes on a whole delivery: functions in their own process with the online keys
 * alone, an agent in its own process on the real kernel, the operator at the command line.
 */
import assert from 'node:assert/strict'
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { pathPolicy } from '../fakes/policies.ts'
import { execa } from 'execa'
import { findCgroup2 } from '../../infra/local/cgroup.ts'
import { mountBpffs } from '../bpf/kernel/bpffs.ts'
import { whyNoKernel } from '../bpf/kernel/kernel-fixture.ts'
import { type AgentProcess, startAgent } from '../fakes/agent-process.ts'
import { eventually, LocalDelivery } from '../fakes/local-delivery.ts'
import { HEDDLE } from '../fakes/heddle-command.ts'

const skip = whyNoKernel() ?? false
const POLICY_FILE = 'policies/api.yaml'

let delivery: LocalDelivery
let directory: string
let cgroup: string
let bpffs: string
let agent: AgentProcess | undefined
const config = () => join(directory, 'node', 'node.json')
const away = () => delivery.path('media-in-a-safe')

async function heddle(...args: string[]) {
  return execa(process.execPath, [HEDDLE, ...args], { reject: false })
}
async function trust(...args: string[]): Promise<Record<string, unknown>> {
  const { store, root, offline, online } = delivery.custody
  const where = ['--store', store, '--root', root, '--online', online, '--offline', ...offline]
  const { exitCode, stdout, stderr } = await heddle('trust', ...args, '--json', ...where)
  assert.equal(exitCode, 0, stderr)
  return JSON.parse(stdout)
}
async function enroll(...more: string[]): Promise<{ nats: { nkey: string } }> {
  const flags: [string, string][] = [
    ['directory', join(directory, 'node')],
    ['name', 'node-0'],
    ['ring', 'ring-0'],
    ['store', delivery.path('store')],
    ['root', delivery.path('root.json')],
    ['nats', (await delivery.bus.url()) ?? ''],
    ['workloads', join(directory, 'workloads.json')],
    ['cgroup', cgroup],
    ['bpffs', bpffs],
  ]
  const args = flags.flatMap(([name, value]) => [`--${name}`, value])
  const { exitCode, stdout, stderr } = await heddle('node', 'enroll', ...args, ...more)
  assert.equal(exitCode, 0, stderr)
  writeFileSync(config(), JSON.stringify({ ...JSON.parse(readFileSync(config(), 'utf8')), pollMs: 200 }))
  return JSON.parse(stdout)
}
async function restartAgent(): Promise<AgentProcess> {
  await agent?.end('SIGTERM')
  agent = startAgent(config())
  await agent.says(': ready')
  return agent
}
async function restartFunctions(): Promise<void> {
  await delivery.endHost('SIGTERM')
  await delivery.startHost()
}
/** Pushes a policy; the number of its release, as soon as ring-0 is told. */
async function push(path: string): Promise<number> {
  const { commit } = await delivery.push({ [POLICY_FILE]: pathPolicy(path) })
  const release = await eventually('a release', async () => {
    const told = await delivery.released('ring-0').catch(() => undefined)
    return told?.commit === commit ? told : undefined
  })
  return release.number
}
async function enforces(path: string): Promise<void> {
  const number = await push(path)
  await agent?.says(`enforced, release ${number}`)
}
async function audited(): Promise<unknown> {
  const { stdout } = await heddle('audit', 'node-0', '--json', '--config', config())
  return JSON.parse(stdout).broken
}

describe('operations of trust', { skip, timeout: 240_000 }, () => {
  before(async () => {
    delivery = await LocalDelivery.start({ bus: true, until: 'published', clang: true })
    directory = mkdtempSync(join(tmpdir(), 'heddle-trust-e2e-'))
    cgroup = join(findCgroup2() ?? '', `heddle-trust-e2e-${process.pid}`)
    bpffs = join(mountBpffs(), `heddle-trust-e2e-${process.pid}`)
    for (const path of [cgroup, bpffs, join(directory, 'node')]) mkdirSync(path)
    const workloads = [{ name: 'a', namespace: 'shop', labels: { app: 'a' }, addresses: ['10.78.0.1'] }]
    writeFileSync(join(directory, 'workloads.json'), JSON.stringify({ workloads }))
    copyFileSync(delivery.bus.accessOf('node-0').seed, join(directory, 'node', 'node.nk'))
    await enroll()
    await restartAgent()
  })
  after(async () => {
    await agent?.end('SIGKILL')
    await heddle('node', 'detach', '--yes', '--config', config())
    await delivery.stop()
    rmdirSync(cgroup)
    rmSync(bpffs, { recursive: true, force: true })
    rmSync(directory, { recursive: true, force: true })
  })

  it('the functions start and deliver a policy while the offline keys are in a safe', async () => {
    const [offline = ''] = delivery.custody.offline
    renameSync(offline, away())
    await restartFunctions()
    await enforces('/one')
    const roles = readdirSync(delivery.custody.online).map((name) => name.split('-')[0])
    assert.deepEqual([...new Set(roles)].sort(), ['log', 'policy', 'release', 'snapshot', 'timestamp'])
    renameSync(away(), offline)
  })

  it('keys of the root and of the timestamp rotate, and nodes go on taking releases', async () => {
    assert.equal((await trust('rotate', 'root'))['state'], 'rotated')
    assert.equal((await trust('rotate', 'timestamp'))['state'], 'prepared')
    await enforces('/two')
    await restartFunctions()
    await enforces('/three')
    assert.equal((await trust('rotate', 'timestamp'))['state'], 'rotated')
    rmSync(join(delivery.custody.online, 'timestamp-1.key'))
    await restartFunctions()
    await enforces('/four')
    const { root, roles } = (await trust('status')) as { root: object; roles: { state: string }[] }
    assert.deepEqual(root, { trusted: 1, newest: 3 })
    assert.ok(roles.every(({ state }) => state === 'good'))
  })

  it('after a lost threshold the node refuses by name and goes on, and is enrolled again with one command', async () => {
    const [offline = ''] = delivery.custody.offline
    for (const name of readdirSync(offline)) if (name.startsWith('root-')) rmSync(join(offline, name))
    await trust('restart', '--yes')
    await agent?.says('metadata-untrusted')
    assert.equal(await audited(), null, 'what runs goes on, and is provable')
    await restartFunctions()
    const number = await push('/five')
    await enroll('--repin')
    await (await restartAgent()).says(`enforced, release ${number}`)
    assert.equal(await audited(), null)
  })

  it('a damaged cache of metadata is mended by the agent itself', async () => {
    await agent?.end('SIGTERM')
    writeFileSync(join(directory, 'node', 'state', 'metadata.json'), '{"sha256":')
    const fresh = await restartAgent()
    await fresh.says('metadata.json was damaged')
    await enforces('/six')
  })

  it('a lost node is heard no more, and comes back with another key', async () => {
    const nats = ['--bus', delivery.path('nats'), '--store', delivery.path('store')]
    const next = async (commit: string) =>
      (await delivery.released('ring-1').catch(() => undefined))?.commit === commit
    const revoked = await heddle('node', 'revoke', 'node-0', ...nats)
    assert.equal(JSON.parse(revoked.stdout).revoked.length, 1, revoked.stderr)
    await enforces('/seven')
    const commit = await delivery.git('rev-parse', 'HEAD')
    assert.equal(await next(commit), false, 'nobody heard that ring-0 enforces it')

    const { nkey } = (await enroll('--rekey')).nats
    const admitted = await heddle('node', 'admit', 'node-0', '--ring', 'ring-0', '--nkey', nkey, ...nats)
    assert.equal(admitted.exitCode, 0, admitted.stderr)
    await restartAgent()
    await eventually('ring-1’s turn', async () => ((await next(commit)) ? true : undefined))
  })
})
