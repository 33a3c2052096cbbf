/**
 * Drives the programs on the kernel that it runs on: installs them through the
 * agent's own adapter and plays every case on real sockets. Runs in a namespace
 * of its own on the host, and as the only process of a virtual machine.
 *
 *     driver.js CGROUP BPFFS PROGRAMS      prints one marked JSON line a case
 */
import { mkdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { execa } from 'execa'
import { createKernel } from '../../../agent/adapters/libbpf-kernel.ts'
import { BpfMap, u32 } from '../../../agent/adapters/libbpf.ts'
import { Pins } from '../../../agent/adapters/pins.ts'
import type { Candidate, IdentityRows } from '../../../agent/ports.ts'
import { Reason } from '../../../bpf/abi/heddle.gen.ts'
import { Failure } from '../../../pipelines/contract/failures.ts'
import {
  CASES,
  type Case,
  DETACH,
  type Expectation,
  FAMILIES,
  type Family,
  type Line,
  MARK,
} from './cases.ts'
import { converse } from './conversation.ts'
import { connect } from 'node:net'
import { BLOCKS } from './hand-tables.ts'
import { type Service, startService, WAYS } from './network.ts'
import { OutboundLane } from './outbound-lane.ts'

/** An emulated machine on a busy host: about a minute of CPU, far more on the clock. */
const WATCHDOG_MS = 420_000
const SUBJECT = 1
const PEER = 2
const STRANGER = 3
const ROWS: IdentityRows[] = [
  { identity: SUBJECT, subject: [BLOCKS], peer: [0n] },
  { identity: PEER, subject: [0n], peer: [BLOCKS] },
  { identity: STRANGER, subject: [0n], peer: [0n] },
]
const SLOTS = { public: 0, other: 1 }

const [cgroup = '', bpffs = '', programs = ''] = process.argv.slice(2)
const say = (line: Line) => process.stdout.write(`${MARK}${JSON.stringify(line)}\n`)
const kernel = createKernel({ bpffs, cgroup })
const pins = new Pins(bpffs)
let generation = 0

function cpus(): number {
  const [, last] = /(\d+)\s*$/.exec(readFileSync('/sys/devices/system/cpu/possible', 'utf8')) ?? []
  return Number(last) + 1
}

/** Every counter, summed over CPUs. */
function counters(): Map<string, number> {
  const map = BpfMap.pinned(pins.map('counters'))
  try {
    return new Map(
      Object.entries(Reason)
        .filter(([name]) => name !== 'REASONS')
        .map(([name, number]) => {
          const values = map.lookup(u32(number), 8 * cpus()) ?? Buffer.alloc(0)
          let sum = 0
          for (let at = 0; at < values.length; at += 8) sum += Number(values.readBigUInt64LE(at))
          return [name, sum]
        }),
    )
  } finally {
    map.close()
  }
}

/** How many bytes come after a refusal, and in how many segments, is TCP's affair. */
const UNCOUNTED = ['AFTER_REFUSAL']

function countedSince(before: Map<string, number>): Expectation['counted'] {
  const rise = [...counters()].map(([name, count]) => [name, count - (before.get(name) ?? 0)] as const)
  return Object.fromEntries(rise.filter(([name, count]) => count > 0 && !UNCOUNTED.includes(name)))
}

async function flip(policy: keyof typeof SLOTS): Promise<void> {
  generation++
  await kernel.flip(SLOTS[policy], generation)
}

function candidate(policy: keyof typeof SLOTS): Candidate {
  generation++
  return { slot: SLOTS[policy], generation }
}

/** Until a connection is in the middle of a message, as the kernel sees it. */
async function untilBegun(): Promise<void> {
  const deadline = Date.now() + 10_000
  while ((await kernel.busySlots()).size === 0 && Date.now() < deadline) await sleep(1)
}

async function play(what: Case, family: Family, service: Service): Promise<void> {
  const { host, port, peer } = WAYS[family]
  const before = counters()
  const way = { host, port, localAddress: peer }
  let attached = true
  const heard = await converse(way, what.steps, what.expect.replies.length, async (step) => {
    if ('flip' in step) await flip(step.flip)
    if ('shadow' in step) await kernel.shadow.begin(SLOTS.public, candidate(step.shadow))
    if ('begun' in step) await untilBegun()
    if ('dispatcher' in step) await kernel.install(`${programs}/${step.dispatcher}.o`)
    if ('detach' in step) {
      await kernel.detach()
      attached = false
    }
  })
  const looked = attached ? await kernel.shadow.read() : null
  const saw = {
    replies: heard.replies,
    served: await service.taken(heard.port),
    counted: attached ? countedSince(before) : {},
    ...(looked === null ? {} : { shadow: looked.counts }),
  }
  if (looked !== null) await kernel.shadow.end()
  say({ kind: 'case', name: what.name, family, saw })
  if (what.steps.some((step) => typeof step === 'object' && 'flip' in step)) await flip('public')
}

/** A SYN that the kernel drops: the counter says so, and no connection is there. */
async function dropped(
  name: string,
  family: Family,
  from: string,
  reason: keyof typeof Reason,
): Promise<void> {
  const { host, port } = WAYS[family]
  const before = counters()
  const socket = connect({ host, port, localAddress: from })
  let connected = false
  socket.once('connect', () => {
    connected = true
  })
  socket.on('error', () => {})
  const deadline = Date.now() + 10_000
  while (!connected && !countedSince(before)[reason] && Date.now() < deadline) await sleep(5)
  say({ kind: 'syn', name, family, connected, counted: { [reason]: countedSince(before)[reason] ? 1 : 0 } })
  socket.destroy()
}

async function enforce(): Promise<void> {
  const addresses = Object.values(WAYS).flatMap(({ host, peer, stranger }) => [
    { address: host, identity: SUBJECT },
    { address: peer, identity: PEER },
    { address: stranger, identity: STRANGER },
  ])
  for (const [policy, slot] of Object.entries(SLOTS))
    await kernel.stage(slot, `${programs}/${policy}.o`, ROWS)
  await kernel.setAddresses(addresses)
  await flip('public')
}

async function drive(service: Service): Promise<void> {
  await kernel.install(`${programs}/dispatcher.o`)
  await dropped('nothing staged: closed', 'IPv4', WAYS.IPv4.peer, 'NO_GENERATION')
  await enforce()
  const facts = await kernel.inspect()
  say({ kind: 'attached', hooks: Object.keys(facts?.hooks ?? {}).sort(), active: facts?.active ?? null })
  for (const family of FAMILIES) {
    await dropped('a peer that no policy selects: dropped', family, WAYS[family].stranger, 'DROPPED')
    for (const what of CASES) await play(what, family, service)
  }
  await play(DETACH, 'IPv4', service)
  say({ kind: 'detached', installed: (await kernel.inspect()) !== null })
}

async function driveOutbound(): Promise<void> {
  const lane = new OutboundLane({ kernel, bpffs, cgroup, programs, cpus: cpus() })
  try {
    await lane.drive(say)
  } finally {
    await lane.stop()
  }
}

/** With the last words of the verifier, where it is it that refused. */
function told(error: unknown): string {
  const detail = error instanceof Failure ? error.detail.slice(-30) : []
  return [error instanceof Error ? `${error.stack}` : String(error), ...detail].join('\n')
}

const watchdog = setTimeout(() => {
  say({ kind: 'failed', message: `not done after ${WATCHDOG_MS} ms` })
  process.exit(1)
}, WATCHDOG_MS)
try {
  // In a mount namespace of its own: what is pinned there ends with this process.
  mkdirSync(bpffs, { recursive: true })
  await execa('mount', ['-t', 'bpf', 'bpf', bpffs])
  mkdirSync(cgroup, { recursive: true })
  say({ kind: 'kernel', ...(await kernel.probe()) })
  const service = await startService(cgroup)
  try {
    await drive(service)
    await driveOutbound()
  } finally {
    service.stop()
  }
  say({ kind: 'done' })
} catch (error) {
  say({ kind: 'failed', message: told(error) })
  process.exitCode = 1
} finally {
  clearTimeout(watchdog)
}
