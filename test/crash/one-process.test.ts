/** One agent and one relay a node: who comes second refuses by name, and a kill -9 leaves nothing that is in the way. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterEach, beforeEach, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { findCgroup2 } from '../../infra/local/cgroup.ts'
import { mountBpffs } from '../bpf/kernel/bpffs.ts'
import { whyNoKernel } from '../bpf/kernel/kernel-fixture.ts'

const skip = whyNoKernel() ?? false
const built = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url))
const NAME = `heddle-one-${process.pid}`

let directory: string
let cgroup: string
let bpffs: string
const running = new Set<ChildProcess>()

beforeEach(() => {
  if (skip) return
  directory = mkdtempSync(join(tmpdir(), 'heddle-one-'))
  cgroup = join(findCgroup2() ?? '', NAME)
  bpffs = join(mountBpffs(), NAME)
  mkdirSync(cgroup)
  writeFileSync(join(directory, 'root.json'), '{}')
  writeFileSync(join(directory, 'workloads.json'), '{"workloads":[]}')
})
afterEach(async () => {
  if (skip) return
  for (const child of running) await kill(child)
  rmdirSync(cgroup)
  rmSync(bpffs, { recursive: true, force: true })
  rmSync(directory, { recursive: true, force: true })
})

type Program = 'agent/main.js' | 'agent/relay/main.js'

/** The file of its configuration: the same for every process of one program. */
function configured(program: Program): string {
  const file = join(directory, `${program.replaceAll('/', '-')}on`)
  const both = { node: 'n1', bpffs, cgroup, workloads: join(directory, 'workloads.json') }
  const agent = {
    schema: 'heddle.node/1',
    ring: 'canary',
    previousRing: null,
    store: join(directory, 'store'),
    stateDirectory: join(directory, 'state'),
    nats: null,
    root: join(directory, 'root.json'),
  }
  const relay = { schema: 'heddle.relay/1', stats: join(directory, 'relay.sock') }
  writeFileSync(file, JSON.stringify({ ...both, ...(program === 'agent/main.js' ? agent : relay) }))
  return file
}

/** Resolves with the process when it says that it is ready. */
async function ready(program: Program, config: string): Promise<ChildProcess> {
  const child = spawn(process.execPath, [built(program), '--config', config], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  running.add(child)
  let said = ''
  for await (const part of child.stdout as NodeJS.ReadableStream) {
    said += String(part)
    if (said.includes(': ready')) return child
  }
  throw new Error(`it ended before it was ready: ${said}`)
}

async function refused(program: Program, config: string): Promise<{ code: unknown; said: string }> {
  const child = spawn(process.execPath, [built(program), '--config', config], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  running.add(child)
  // Whoever is let in says so, and would live on.
  child.stdout?.once('data', () => child.kill('SIGKILL'))
  const said = text(child.stderr as NodeJS.ReadableStream)
  const [code] = await once(child, 'exit')
  running.delete(child)
  return { code, said: await said }
}

async function kill(child: ChildProcess): Promise<void> {
  running.delete(child)
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGKILL')
  await once(child, 'exit')
}

const programs: [Program, RegExp][] = [
  ['agent/main.js', /^already-running: \S+\/state: another agent has this state directory: stop that one/],
  ['agent/relay/main.js', /^already-running: \S+: another relay has this bpffs directory: stop that one/],
]
for (const [program, why] of programs) {
  test(`${program}: the second refuses by name, and after a kill -9 the next one starts`, {
    skip,
  }, async () => {
    const config = configured(program)
    for (let life = 0; life < 2; life++) {
      const first = await ready(program, config)
      const { code, said } = await refused(program, config)
      assert.equal(code, 3)
      assert.match(said, why)
      await kill(first)
    }
  })
}

test('a state directory that was deleted under its agent lets no second agent in', { skip }, async () => {
  await ready('agent/main.js', configured('agent/main.js'))
  rmSync(join(directory, 'state'), { recursive: true })
  const { code, said } = await refused('agent/main.js', configured('agent/main.js'))
  assert.equal(code, 3)
  assert.match(said, /another agent has this cgroup/)
})

test('agent and relay of one node do not keep each other out', { skip }, async () => {
  await ready('agent/main.js', configured('agent/main.js'))
  await ready('agent/relay/main.js', configured('agent/relay/main.js'))
})
