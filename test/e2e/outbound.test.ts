/**
 * The client side through the whole pipe: a push becomes an artifact, an agent takes it, and the kernel sends
 * each request of a live connection its own way; while agent and relay are killed, stopped and started.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { BpfMap } from '../../agent/adapters/libbpf.ts'
import { Pins } from '../../agent/adapters/pins.ts'
import { askRelay } from '../../agent/relay/stats.ts'
import { Limit } from '../../bpf/abi/heddle.gen.ts'
import { type Answer, type Caller, startCaller } from '../../infra/local/callers.ts'
import { routeTo, ROUTE_FILE, V2_PREFIX } from '../../infra/local/demo-policies.ts'
import { FRONT, FRONT_V2, services } from '../../infra/local/fleet.ts'
import { stackId } from '../../infra/local/foundation.ts'
import { undo } from '../../infra/local/journal.ts'
import { type LocalNode, startAgent, startRelay } from '../../infra/local/nodes.ts'
import { within } from '../../infra/local/observe.ts'
import { launch, type Running, untilReady } from '../../infra/local/process.ts'
import { SERVICE_PORT } from '../../infra/local/service.ts'
import { type Stack, up } from '../../infra/local/stack.ts'
import { parseStats } from '../../infra/node/stats.ts'
import { whyNoKernel } from '../bpf/kernel/kernel-fixture.ts'
import { leftovers } from './leftovers.ts'

const skip = whyNoKernel() ?? false
const TARGETS = ['/public/v1/items', `${V2_PREFIX}/items`]
const PATIENCE_MS = 20_000
/** Answers that show how it goes on. */
const ENOUGH = 30
/** The relay's `stopMs`: an answer that it waits for has come long before. */
const RELAY_PATIENCE_MS = 5_000
const CALLERS = 8
const SLOW_PORT = 8081
/** Milliseconds that the slow service takes for an answer: so some are under way at any time. */
const SLOW_MS = 40
const SLOW = `require('node:http').createServer((request, response) => {
  setTimeout(() => response.end('n1 slow ' + request.method + ' ' + request.url), ${SLOW_MS})
}).listen(${SLOW_PORT}, process.argv[1])`

let parent: string
let stack: Stack
let node: LocalNode
let relay: Running
let slow: Running
const callers: Caller[] = []

before(async () => {
  if (skip) return
  parent = mkdtempSync(join(tmpdir(), 'heddle-outbound-'))
  stack = await up({ dir: join(parent, 'stack'), soakMs: 0, load: false, say: () => {} })
  node = stack.nodes[0] as LocalNode
  relay = stack.relays.get(node.name) as Running
  slow = launch({
    name: 'slow service',
    command: [process.execPath, '-e', SLOW, node.host.address4],
    cgroup: node.workloadCgroup,
    namespace: node.host.namespace,
    log: join(node.dir, 'slow.log'),
  })
  const [front] = services(SERVICE_PORT)
  const ports = [{ port: FRONT.port, targetPort: SLOW_PORT }]
  const all = [...services(SERVICE_PORT), { ...front, name: 'slow', addresses: [], ports }]
  writeFileSync(join(stack.dir, 'cloud', 'services.json'), JSON.stringify({ services: all }))
})

after(async () => {
  if (skip) return
  const { dir } = stack
  await stack.down()
  const left = leftovers(dir, stackId(dir))
  await undo(dir)
  rmSync(parent, { recursive: true, force: true })
  assert.deepEqual(left, [])
})

const call = (count = 1): Caller[] => {
  const started = Array.from({ length: count }, (_, i) =>
    startCaller(node, `caller-${callers.length + i}`, TARGETS),
  )
  callers.push(...started)
  return started
}

/** From some answer on all of the caller's are like that, as many as show it. */
async function settles(caller: Caller, like: (answer: Answer) => boolean): Promise<void> {
  const from = caller.answers().length
  const done = await within(PATIENCE_MS, () => {
    const last = caller.answers().slice(from).slice(-ENOUGH)
    return (last.length === ENOUGH && last.every(like)) || undefined
  })
  const last = () => JSON.stringify(caller.answers().slice(-3))
  assert.ok(done, `${caller.running.name} ${caller.running.ended() ?? ''}: ${last()}`)
}

const push = (to: string) =>
  stack.cloud.clone.push({ [ROUTE_FILE]: routeTo(to) }, `Send ${V2_PREFIX} to ${to}`)
const answered = ({ status }: Answer) => status === 200
/** By the service that the routes name, with the request that was sent. */
const by = (version: string) => (answer: Answer) =>
  answer.body === `n1 ${answer.target === TARGETS[0] ? 'v1' : version} GET ${answer.target}`

async function end(some: readonly Caller[]): Promise<Answer[]> {
  await Promise.all(some.map(({ running }) => running.stop()))
  return some.flatMap((caller) => caller.answers())
}

const connections = (answers: readonly Answer[]) => new Set(answers.map(({ from }) => from)).size

async function outbound() {
  const { outbound: said } = parseStats(await askRelay(join(node.dir, 'relay.sock')))
  assert.ok(said)
  return said
}

const ready = (running: Running, after: number) =>
  untilReady(running, () => readFileSync(join(node.dir, 'relay.log'), 'utf8').split(': ready').length > after)

const timesReady = () => readFileSync(join(node.dir, 'relay.log'), 'utf8').split(': ready').length

/** Keys of a live map. */
function entries(name: 'clients' | 'client_names', keyBytes: number): number {
  const map = BpfMap.pinned(new Pins(node.bpffs).map(name))
  try {
    return [...map.keys(keyBytes, Limit.MAX_CLIENTS)].length
  } finally {
    map.close()
  }
}

describe('requests to a service', { skip, concurrency: false }, () => {
  it('follow a pushed route from one request of a connection to the next, and none is lost', async () => {
    const [caller] = call() as [Caller]
    await settles(caller, by('v1'))
    await push(FRONT_V2.name)
    await settles(caller, by('v2'))
    const { counters } = await outbound()
    await settles(caller, by('v2'))
    const later = (await outbound()).counters
    const answers = await end([caller])
    assert.ok(answers.every(answered), JSON.stringify(answers.find((each) => !answered(each))))
    assert.equal(connections(answers), 1)
    const flip = answers.findIndex((each) => !by('v1')(each))
    assert.ok(answers.slice(flip).every(by('v2')), 'one flip, and nothing goes back')
    assert.ok((later['KERNEL_ROUTED'] ?? 0) - (counters['KERNEL_ROUTED'] ?? 0) >= ENOUGH / 2)
  })

  it('go on while the agent is killed, and the next agent takes the next push', async () => {
    const [caller] = call() as [Caller]
    await settles(caller, by('v2'))
    await stack.agents.get(node.name)?.stop('SIGKILL')
    await settles(caller, by('v2'))
    startAgent(node)
    await push('slow')
    await settles(caller, by('slow'))
    const answers = await end([caller])
    assert.ok(answers.every(answered))
    assert.equal(connections(answers), 1)
  })

  it('under way are answered when the relay is told to stop, what comes gets 503 or nobody, and none hangs', async () => {
    const load = call(CALLERS)
    await Promise.all(load.map((caller) => settles(caller, by('slow'))))
    const told = Date.now()
    await relay.stop('SIGTERM')
    const gone = Date.now()
    assert.equal(relay.ended(), 'exit code 0', relay.lastLines(20))
    const times = timesReady()
    relay = startRelay(node)
    await ready(relay, times)
    await Promise.all(load.map((caller) => settles(caller, by('slow'))))
    const answers = await end(load)
    const underWay = answers.filter(({ sent, at }) => sent < told && at >= told)
    assert.ok(underWay.length > 0, 'none was under way')
    assert.deepEqual(
      underWay.filter((each) => !answered(each)),
      [],
    )
    expectOnly(answers, { refused: told, until: gone })
    assert.ok(gone - told < RELAY_PATIENCE_MS, `the relay took ${gone - told} ms`)
  })

  it('are reset or get 503 when the relay is killed, and the next relay serves at once', async () => {
    const load = call(CALLERS)
    await Promise.all(load.map((caller) => settles(caller, by('slow'))))
    const told = Date.now()
    await relay.stop('SIGKILL')
    const times = timesReady()
    relay = startRelay(node)
    await ready(relay, times)
    const served = Date.now()
    await Promise.all(load.map((caller) => settles(caller, by('slow'))))
    const answers = await end(load)
    expectOnly(answers, { refused: told, until: served })
    assert.ok(((await outbound()).counters['KERNEL_ROUTED'] ?? 0) > ENOUGH, 'the kernel has its part again')
    const first = answers.filter(({ sent }) => sent > served)
    assert.ok(first.every(answered), JSON.stringify(first.find((each) => !answered(each))))
  })

  it('leave nothing in the kernel when their clients have gone', async () => {
    const gone = await within(PATIENCE_MS, () => {
      return entries('clients', 8) === 0 && entries('client_names', 20) === 0 ? true : undefined
    })
    assert.ok(gone, 'clients that have gone are still in the maps')
    const { connections: left } = await outbound()
    assert.equal(left['open'], 0)
    assert.equal(slow.ended(), undefined)
  })
})

/** Before and after: 200s of the right service. In between: a whole answer, or the end of a connection. */
function expectOnly(answers: Answer[], { refused, until }: { refused: number; until: number }): void {
  const odd = answers.filter((each) => {
    if (each.status === 200) return !by('slow')(each)
    if (each.at < refused || each.sent > until + PATIENCE_MS) return true
    return (
      each.status !== 503 &&
      !/^(connect ECONNREFUSED|socket hang up|read ECONNRESET|write EPIPE)/.test(each.error ?? '')
    )
  })
  assert.deepEqual(odd, [])
}
