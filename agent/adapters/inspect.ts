/** What the kernel itself says runs here: attached programs, slots, frozen tables. */
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { ActiveLayout, Limit } from '../../bpf/abi/heddle.gen.ts'
import type { AttachedFacts, SlotFacts } from '../ports.ts'
import {
  attachedProgram,
  CGROUP_HOOKS,
  currentDispatcher,
  socketPrograms,
  socketsOf,
  withCgroup,
  withMap,
} from './attach.ts'
import { attachedTo, mapInfo, type ProgramInfo, programInfo } from './bpf-info.ts'
import { BpfMap, u32 } from './libbpf.ts'
import { type DispatcherPins, GENERATION_PROGRAMS, type LiveMap, type Pins } from './pins.ts'

/** The kernel cuts names at 15 characters. */
const TABLES_MAP = '.rodata.policy'

export async function inspectKernel(pins: Pins, cgroup: string): Promise<AttachedFacts | null> {
  if (!existsSync(pins.map('active'))) return null
  const current = currentDispatcher(pins, cgroup)
  const others = pins.dispatchers().filter(({ digest }) => digest !== current?.digest)
  return {
    dispatcher: current?.digest ?? null,
    abi: current === undefined ? null : abiOf(current),
    hooks: { ...socketHooks(current), ...cgroupHooks(pins, cgroup) },
    draining: others.map((each) => ({
      digest: each.digest,
      hooks: socketHooks(each),
      sockets: socketsOf(each).length,
    })),
    active: activeSlot(pins),
    slots: slots(pins),
  }
}

function socketHooks(dispatcher: DispatcherPins | undefined): AttachedFacts['hooks'] {
  const facts: AttachedFacts['hooks'] = {}
  if (dispatcher !== undefined)
    for (const { hook, ids } of socketPrograms(dispatcher))
      for (const id of ids) facts[hook.hook] = { id, tag: programInfo(id).tag }
  return facts
}

/** Also in the middle of a change of dispatchers: whichever of ours the hook runs. */
function cgroupHooks(pins: Pins, cgroup: string): AttachedFacts['hooks'] {
  const facts: AttachedFacts['hooks'] = {}
  withCgroup(cgroup, (directory) => {
    for (const hook of CGROUP_HOOKS) {
      const attached = attachedTo(directory, hook.type)
      for (const each of pins.dispatchers()) {
        const id = attachedProgram(each, hook, attached)
        if (id !== undefined) facts[hook.hook] = { id, tag: programInfo(id).tag }
      }
    }
  })
  return facts
}

/** The frozen word that the dispatcher's file says it in. */
function abiOf(dispatcher: DispatcherPins): number | null {
  if (!existsSync(dispatcher.abi)) return null
  return withMap(dispatcher.abi, (map) => map.lookup(u32(0), 4)?.readUInt32LE() ?? null)
}

function activeSlot(pins: Pins): AttachedFacts['active'] {
  const value = read(pins, 'active', u32(0), ActiveLayout.bytes)
  const word = value?.readBigUInt64LE() ?? 0n
  return word >> 8n === 0n ? null : { slot: Number(word & 0xffn), generation: Number(word >> 8n) }
}

function slots(pins: Pins): SlotFacts[] {
  const facts: SlotFacts[] = []
  for (let slot = 0; slot < Limit.SLOTS; slot++) {
    const programs: SlotFacts['programs'] = {}
    let tablesDigest = ''
    for (const [name, array] of Object.entries(GENERATION_PROGRAMS)) {
      if (!existsSync(pins.map(array))) continue // a dispatcher that is older than these programs
      const id = read(pins, array, u32(slot), 4)?.readUInt32LE()
      if (!id) continue
      const shown = programInfo(id)
      programs[name] = { id, tag: shown.tag }
      tablesDigest ||= tablesOf(shown)
    }
    if (Object.keys(programs).length > 0) facts.push({ slot, programs, tablesDigest })
  }
  return facts
}

/** SHA-256 of the frozen tables that this very program reads; '' where it reads none. */
function tablesOf(program: ProgramInfo): string {
  for (const id of program.mapIds) {
    const map = mapInfo(id)
    if (map.name !== TABLES_MAP) continue
    const handle = BpfMap.byId(id)
    try {
      const bytes = handle.lookup(u32(0), map.valueBytes)
      return bytes ? `sha256:${createHash('sha256').update(bytes).digest('hex')}` : ''
    } finally {
      handle.close()
    }
  }
  return ''
}

function read(pins: Pins, name: LiveMap, key: Buffer, bytes: number): Buffer | undefined {
  return withMap(pins.map(name), (map) => map.lookup(key, bytes))
}
