/**
 * The node's real kernel behind port Kernel: bpftool loads and pins, libbpf
 * attaches and stores. Everything is idempotent; the acts that change what
 * traffic meets are flip() and, hook by hook, install().
 */
import { existsSync } from 'node:fs'
import { mkdir, readFile } from 'node:fs/promises'
import { release } from 'node:os'
import {
  AddressLayout,
  ClientFlag,
  ClientLayout,
  ConnLayout,
  Limit,
  NodeLayout,
  SelfLayout,
} from '../../bpf/abi/heddle.gen.ts'
import type { AddressIdentity, IdentityRows, Kernel } from '../ports.ts'
import { addressBytes } from './address-bytes.ts'
import { decodeConnection, inMessage } from './connection.ts'
import { type BeforeAct, detachDispatchers, withMap } from './attach.ts'
import {
  discard,
  installDispatcher,
  liveMapArguments,
  removePins,
  retireDispatcher,
  tagsOfFile,
} from './dispatcher.ts'
import { inspectKernel } from './inspect.ts'
import { u32, u64, withPinnedProgram } from './libbpf.ts'
import { endDirectWays } from './libbpf-direct.ts'
import { auditMaps } from './libbpf-audits.ts'
import { readCounts, readRefusals } from './libbpf-measures.ts'
import { outboundMaps } from './libbpf-outbound.ts'
import { writeRoutes } from './libbpf-routes.ts'
import { shadowMaps } from './libbpf-shadow.ts'
import { loadPrograms } from './bpftool.ts'
import { GENERATION_PROGRAMS, type LiveMap, Pins } from './pins.ts'

export type KernelOptions = {
  /** A directory on a mounted bpffs, this node's own. */
  bpffs: string
  /** Directory of the cgroup (v2) that holds the managed workloads. */
  cgroup: string
  before?: BeforeAct
}

export function createKernel(options: KernelOptions): Kernel {
  const pins = new Pins(options.bpffs)
  const { cgroup, before = () => {} } = options
  return {
    outbound: outboundMaps(pins, cgroup, before),
    shadow: shadowMaps(pins),
    audits: auditMaps(pins),
    probe: () => probe(options),
    install: (dispatcherElf) => installDispatcher(pins, cgroup, dispatcherElf, before),
    retire: (digest) => retireDispatcher(pins, cgroup, digest),
    stage: (slot, elf, rows) => stage(pins, slot, elf, rows),
    setRows: async (slot, rows) => writeRows(pins, slot, rows),
    setRoutes: async (slot, content) => {
      const { choices, breakers = [] } = content
      endDirectWays(pins, new Set([...choices, ...breakers].map(({ service }) => service)))
      // Also where nothing was left to write: a death may have come between the two.
      if (writeRoutes(pins, slot, content)) raiseEpoch(pins)
    },
    setAddresses: async (addresses) => writeAddresses(pins, addresses),
    flip: async (slot, generation) => flip(pins, slot, generation),
    close: async () => close(pins),
    tags: (dispatcherElf) => tagsOfFile(pins, dispatcherElf),
    inspect: () => inspectKernel(pins, cgroup),
    busySlots: async () => busySlots(pins),
    unstage: (slot) => unstage(pins, slot),
    counts: async (slot) => readCounts(pins, slot),
    refusals: async (slot, after) => readRefusals(pins, slot, after),
    detach: () => detach(pins, cgroup),
  }
}

async function probe(options: KernelOptions): Promise<{ release: string; missing: string[] }> {
  const missing: string[] = []
  if (!existsSync('/sys/kernel/btf/vmlinux')) missing.push('BTF of the kernel (CONFIG_DEBUG_INFO_BTF)')
  // The knob is shown in the first network namespace only: where it is not, it says nothing.
  const jit = await readFile('/proc/sys/net/core/bpf_jit_enable', 'utf8').catch(() => '1')
  if (jit.trim() === '0') missing.push('BPF JIT (net.core.bpf_jit_enable)')
  if (!existsSync(`${options.cgroup}/cgroup.procs`)) missing.push(`cgroup v2 directory ${options.cgroup}`)
  const mounts = await readFile('/proc/self/mounts', 'utf8')
  const types = new Map(mounts.split('\n').map((line) => [line.split(' ')[1], line.split(' ')[2]]))
  const parents = options.bpffs.split('/').map((_, i, all) => all.slice(0, i + 1).join('/') || '/')
  if (!parents.some((path) => types.get(path) === 'bpf')) missing.push(`bpffs at ${options.bpffs}`)
  return { release: release(), missing }
}

async function stage(pins: Pins, slot: number, elf: string, rows: IdentityRows[]): Promise<void> {
  await unstage(pins, slot)
  await mkdir(pins.slot(slot), { recursive: true })
  try {
    const reused = await liveMapArguments(pins, elf)
    await loadPrograms(elf, `${pins.slot(slot)}/programs`, ...reused, 'pinmaps', `${pins.slot(slot)}/maps`)
    writeRows(pins, slot, rows)
    for (const [program, array] of servedPrograms(pins, slot))
      withMap(pins.map(array), (map) =>
        withPinnedProgram(pins.slotProgram(slot, program), (fd) => map.update(u32(slot), fd)),
      )
  } catch (error) {
    await unstage(pins, slot)
    throw error
  }
}

/** An older artifact has fewer programs, and an older dispatcher calls fewer. */
function servedPrograms(pins: Pins, slot: number): [string, LiveMap][] {
  return Object.entries(GENERATION_PROGRAMS).filter(
    ([program, array]) => existsSync(pins.slotProgram(slot, program)) && existsSync(pins.map(array)),
  )
}

function writeRows(pins: Pins, slot: number, rows: IdentityRows[]): void {
  const words = Limit.ROW_U64
  withMap(pins.slotMap(slot, 'identity_rows'), (map) => {
    const keep = new Set(rows.map((row) => row.identity))
    for (const row of rows) {
      const value = Buffer.alloc(words * 16)
      for (const [i, word] of row.subject.entries()) value.writeBigUInt64LE(BigInt.asUintN(64, word), 8 * i)
      for (const [i, word] of row.peer.entries())
        value.writeBigUInt64LE(BigInt.asUintN(64, word), 8 * (words + i))
      map.update(u32(row.identity), value)
    }
    for (const key of [...map.keys(4, Limit.MAX_IDENTITIES)])
      if (!keep.has(key.readUInt32LE())) map.delete(key)
  })
  raiseEpoch(pins)
}

function writeAddresses(pins: Pins, addresses: AddressIdentity[]): void {
  const wanted = new Map(addresses.map((a) => [addressKey(a.address).toString('hex'), a]))
  withMap(pins.map('identities'), (map) => {
    // What is gone goes first. What moved is replaced in one store: without an identity for a
    // moment, a workload would be nobody's, and refuse its clients.
    for (const key of [...map.keys(AddressLayout.bytes, Limit.MAX_ADDRESSES)])
      if (!wanted.has(key.toString('hex'))) map.delete(key)
    for (const { address, identity } of wanted.values()) map.update(addressKey(address), u32(identity))
  })
  raiseEpoch(pins)
}

/** struct heddle_address: prefix length, then 16 bytes. */
function addressKey(address: string): Buffer {
  return Buffer.concat([u32(128), addressBytes(address)])
}

/** Connections look their context up again at their next message. */
function raiseEpoch(pins: Pins): void {
  const { at } = NodeLayout.fields.epoch
  withMap(pins.map('node'), (map) => {
    // The whole value, also what a newer ABI has behind what we know.
    const value = map.lookup(u32(0), map.valueBytes) ?? Buffer.alloc(map.valueBytes)
    value.writeUInt32LE((value.readUInt32LE(at) + 1) >>> 0, at)
    map.update(u32(0), value)
  })
}

function flip(pins: Pins, slot: number, generation: number): number {
  const self = Buffer.alloc(SelfLayout.bytes)
  self.writeBigUInt64LE(BigInt(generation), SelfLayout.fields.generation.at)
  self.writeUInt32LE(slot, SelfLayout.fields.slot.at)
  withMap(pins.slotMap(slot, 'self'), (map) => map.update(u32(0), self))
  return withMap(pins.map('active'), (map) => {
    const value = u64((BigInt(generation) << 8n) | BigInt(slot))
    const begun = process.hrtime.bigint()
    map.update(u32(0), value)
    return Number(process.hrtime.bigint() - begun) / 1000
  })
}

/** Generation 0 does not exist: the dispatcher's call finds no program. */
function close(pins: Pins): void {
  withMap(pins.map('active'), (map) => map.update(u32(0), u64(0n)))
}

/** Slots that a connection in mid-message holds. */
function busySlots(pins: Pins): Set<number> {
  const busy = new Set<number>()
  if (!existsSync(pins.base)) return busy
  withMap(pins.map('conns'), (map) => {
    for (const key of map.keys(8, 2 * Limit.MAX_CONNS)) {
      const bytes = map.lookup(key, ConnLayout.bytes)
      const connection = bytes && decodeConnection(bytes)
      if (connection && inMessage(connection)) busy.add(connection.slot)
    }
  })
  for (const slot of slotsOfClients(pins)) busy.add(slot)
  return busy
}

/** Of clients whose request's body goes on: its end is read by the generation that read its head. */
function slotsOfClients(pins: Pins): number[] {
  if (!existsSync(pins.map('clients'))) return []
  const { flags, slot } = ClientLayout.fields
  return withMap(pins.map('clients'), (map) =>
    [...map.keys(8, Limit.MAX_CLIENTS)]
      .map((key) => map.lookup(key, ClientLayout.bytes))
      .filter((value) => value !== undefined)
      .filter((value) => (value.readUInt32LE(flags.at) & ClientFlag.CLIENT_REQUEST) !== 0)
      .map((value) => value.readUInt32LE(slot.at)),
  )
}

async function unstage(pins: Pins, slot: number): Promise<void> {
  for (const array of Object.values(GENERATION_PROGRAMS))
    if (existsSync(pins.map(array))) withMap(pins.map(array), (map) => map.delete(u32(slot)))
  await removePins(pins.slot(slot))
}

async function detach(pins: Pins, cgroup: string): Promise<void> {
  if (existsSync(pins.base)) {
    detachDispatchers(pins, cgroup)
    // A socket keeps its programs until it leaves the map: taken out one by one while the
    // generations still answer, else open connections would meet a dispatcher without any.
    for (const { readers, callers, remotes } of pins.dispatchers())
      for (const sockhash of [readers, callers, remotes]) if (existsSync(sockhash)) empty(sockhash)
    empty(pins.map('sockets'))
    await discard(pins, pins.base)
  }
  await removePins(pins.root)
}

function empty(sockhash: string): void {
  withMap(sockhash, (map) => {
    for (const key of map.keys(8, 2 * Limit.MAX_CONNS)) map.delete(key)
  })
}
