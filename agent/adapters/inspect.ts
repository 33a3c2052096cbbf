/** What the kernel itself says runs here: attached programs, slots, frozen tables. */
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { ActiveLayout, Limit } from '../../bpf/abi/heddle.gen.ts'
import type { AttachedFacts, SlotFacts } from '../ports.ts'
import { CGROUP_HOOKS, cgroupPrograms, pinnedProgramId, SOCKET_HOOKS, socketPrograms } from './attach.ts'
import { bpftoolJson } from './bpftool.ts'
import { BpfMap, u32 } from './libbpf.ts'
import { GENERATION_PROGRAMS, type LiveMap, type Pins } from './pins.ts'

type ProgramFacts = { id: number; tag: string; name: string; map_ids?: number[] }
type MapFacts = { id: number; name: string; bytes_value: number }

/** The kernel cuts names at 15 characters. */
const TABLES_MAP = '.rodata.policy'

export async function inspectKernel(pins: Pins, cgroup: string): Promise<AttachedFacts | null> {
  if (!existsSync(pins.map('active'))) return null
  return { hooks: await hooks(pins, cgroup), active: activeSlot(pins), slots: await slots(pins) }
}

async function hooks(pins: Pins, cgroup: string): Promise<AttachedFacts['hooks']> {
  const facts: AttachedFacts['hooks'] = {}
  for (const { hook, type } of SOCKET_HOOKS)
    for (const id of socketPrograms(pins, type)) facts[hook] = await program(id)
  const attached = await cgroupPrograms(cgroup)
  for (const { hook, program: name } of CGROUP_HOOKS) {
    const ours = await pinnedProgramId(pins.dispatcher(name))
    if (attached.some((p) => p.id === ours)) facts[hook] = await program(ours)
  }
  return facts
}

async function program(id: number): Promise<ProgramFacts> {
  const shown = (await bpftoolJson('prog', 'show', 'id', String(id))) as ProgramFacts
  return { id, tag: shown.tag, name: shown.name, map_ids: shown.map_ids ?? [] }
}

function activeSlot(pins: Pins): AttachedFacts['active'] {
  const value = read(pins, 'active', u32(0), ActiveLayout.bytes)
  const word = value?.readBigUInt64LE() ?? 0n
  return word >> 8n === 0n ? null : { slot: Number(word & 0xffn), generation: Number(word >> 8n) }
}

async function slots(pins: Pins): Promise<SlotFacts[]> {
  const facts: SlotFacts[] = []
  for (let slot = 0; slot < Limit.SLOTS; slot++) {
    const programs: SlotFacts['programs'] = {}
    let tablesDigest = ''
    for (const [name, array] of Object.entries(GENERATION_PROGRAMS)) {
      const id = read(pins, array, u32(slot), 4)?.readUInt32LE()
      if (!id) continue
      const shown = await program(id)
      programs[name] = { id, tag: shown.tag }
      tablesDigest ||= await tablesOf(shown)
    }
    if (Object.keys(programs).length > 0) facts.push({ slot, programs, tablesDigest })
  }
  return facts
}

/** SHA-256 of the frozen tables that this very program reads; '' where it reads none. */
async function tablesOf(facts: ProgramFacts): Promise<string> {
  for (const id of facts.map_ids ?? []) {
    const map = (await bpftoolJson('map', 'show', 'id', String(id))) as MapFacts
    if (map.name !== TABLES_MAP) continue
    const handle = BpfMap.byId(id)
    try {
      const bytes = handle.lookup(u32(0), map.bytes_value)
      return bytes ? `sha256:${createHash('sha256').update(bytes).digest('hex')}` : ''
    } finally {
      handle.close()
    }
  }
  return ''
}

function read(pins: Pins, name: LiveMap, key: Buffer, bytes: number): Buffer | undefined {
  const map = BpfMap.pinned(pins.map(name))
  try {
    return map.lookup(key, bytes)
  } finally {
    map.close()
  }
}
