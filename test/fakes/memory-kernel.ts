/** A kernel in memory: it keeps what it was told while agents come and go. */
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { emptyOutbound, type MemoryOutbound, memoryOutbound } from './memory-outbound.ts'
import { digestsOf } from '../../agent/trust/code.ts'
import type {
  AddressIdentity,
  AttachedFacts,
  AuditCounts,
  Counts,
  IdentityRows,
  Kernel,
  OutboundReferences,
  Refusal,
  RouteContent,
  ShadowCounts,
  ShadowSample,
} from '../../agent/ports.ts'
import { Abi } from '../../bpf/abi/heddle.gen.ts'
import { Failure } from '../../pipelines/contract/failures.ts'

/** `routes`: null = its programs are older than routes. */
type MemorySlot = { elf: string; tablesDigest: string; rows: string; routes: RouteContent | null }
/** Slots, and the generation that the candidate's programs take themselves for. */
type MemoryShadow = { active: number; candidate: number; generation: number; counts: ShadowCounts }

/** What a kernel holds; plain data, so that it can outlive the process that told it. */
export type KernelContent = {
  dispatcher: string | null
  /** Open connections: they stay with the dispatcher that they were born under. */
  sockets: number
  /** Replaced dispatchers that are pinned, with the connections they keep. */
  draining: Record<string, number>
  /** ABI of the live maps, as the dispatcher says. */
  abi: number | null
  /** Not null: under the pins of the dispatcher are programs with this tag, and not its own. */
  forged: string | null
  active: { slot: number; generation: number } | null
  slots: Record<string, MemorySlot>
  addresses: AddressIdentity[]
  outbound: MemoryOutbound | null
  shadow: MemoryShadow | null
}

export type MemoryKernel = Kernel & {
  content: KernelContent
  release: string
  missing: string[]
  busy: Set<number>
  /** What connections of the test still name. */
  references: OutboundReferences
  /** Directories of workloads below the managed cgroup. */
  cgroups: Map<string, bigint>
  /** Calls so far, by name. */
  calls: string[]
  /** The verifier refuses every program. */
  rejecting: boolean
  /** Artifacts that are staged are older than routes. */
  routeless: boolean
  /** What the programs of the active slot have counted; null = they do not count. */
  counted: Counts | null
  /** Requests that they refused, oldest first. */
  refused: Refusal[]
  /** Artifacts that are staged are older than shadows. */
  shadowless: boolean
  /** What the shadow has seen, as the kernel would tell it. */
  samples: ShadowSample[]
  /** What audit rules have counted. */
  audited: Map<string, AuditCounts>
  /** A reboot: everything pinned or attached is gone. */
  reboot(): void
}

const HOOKS = ['sockops', 'ingress', 'verdict']

/** `before` and `after` surround each act that changes the kernel: a test stops the world there. */
export function memoryKernel(
  observe: { before?(call: string): void; after?(call: string): void } = {},
  content: KernelContent = empty(),
): MemoryKernel {
  const kernel: MemoryKernel = {
    content,
    release: '6.18.44',
    missing: [],
    busy: new Set(),
    references: { services: new Set(), endpoints: new Set() },
    cgroups: new Map(),
    calls: [],
    rejecting: false,
    routeless: false,
    counted: null,
    refused: [],
    counts: async () => kernel.counted,
    refusals: async (_slot, after) => ({
      last: kernel.refused.length,
      refusals: kernel.refused.slice(after),
    }),
    shadowless: false,
    samples: [],
    audited: new Map(),
    audits: {
      counts: async () => kernel.audited,
      samples: async () => new Map(),
      keep: (ids) =>
        act('forget audits', async () => {
          for (const id of kernel.audited.keys()) if (!ids.has(id)) kernel.audited.delete(id)
        }),
    },
    reboot: () => {
      kernel.content = empty()
      kernel.busy.clear()
    },
    outbound: memoryOutbound(
      () => kernel,
      (call, change) => act(call, async () => change()),
    ),
    shadow: {
      begin: (active, { slot, generation }) =>
        act(`shadow ${slot} of ${active}`, async () => {
          if (kernel.shadowless) throw new Failure('shadow-unsupported', `slot ${slot} is older than shadows`)
          for (const each of [active, slot])
            if (kernel.content.slots[each] === undefined) throw new Error(`shadow with empty slot ${each}`)
          const { shadow } = kernel.content
          if (shadow?.active === active && shadow.candidate === slot && shadow.generation === generation)
            return
          kernel.content.shadow = { active, candidate: slot, generation, counts: uncounted() }
        }),
      end: () =>
        act('shadow off', async () => {
          kernel.content.shadow = null
        }),
      read: async () => {
        const { shadow } = kernel.content
        if (shadow === null) return null
        const { active, candidate, counts } = shadow
        return { active, candidate, counts, samples: kernel.samples }
      },
    },
    probe: async () => ({ release: kernel.release, missing: kernel.missing }),
    install: (file) =>
      act('install', async () => {
        const next = hash(await readFile(file))
        if (kernel.rejecting) throw new Failure('verifier-rejected', 'too complex', { detail: ['line 1'] })
        const { dispatcher, draining, sockets } = kernel.content
        if (dispatcher === next) return
        if (dispatcher !== null) draining[dispatcher] = sockets
        kernel.content.sockets = draining[next] ?? 0
        delete draining[next]
        kernel.content.dispatcher = next
      }),
    retire: (digest) =>
      act(`retire ${digest}`, async () => {
        const hex = digest.replace('sha256:', '')
        if (kernel.content.draining[hex] !== 0) throw new Error(`retire of ${digest}, which has connections`)
        delete kernel.content.draining[hex]
      }),
    stage: (slot, file, rows) =>
      act(`stage ${slot}`, async () => {
        if (kernel.rejecting) throw new Failure('verifier-rejected', 'too complex', { detail: ['line 1'] })
        if (kernel.content.dispatcher === null) throw new Error('stage before install')
        if (kernel.content.active?.slot === slot && !isSame(slot, await readFile(file))) {
          throw new Error(`stage over the active slot ${slot}`)
        }
        if (kernel.busy.has(slot)) throw new Error(`stage over the busy slot ${slot}`)
        const elf = await readFile(file)
        kernel.content.slots[slot] = {
          elf: hash(elf),
          tablesDigest: digestsOf(elf).tables,
          rows: spell(rows),
          routes: kernel.routeless ? null : { choices: [], backends: [] },
        }
      }),
    setRows: (slot, rows) =>
      act(`setRows ${slot}`, async () => {
        const held = kernel.content.slots[slot]
        if (held === undefined) throw new Error(`no rows in empty slot ${slot}`)
        held.rows = spell(rows)
      }),
    setRoutes: (slot, routes) =>
      act(`setRoutes ${slot}`, async () => {
        const held = kernel.content.slots[slot]
        if (held !== undefined && held.routes !== null) held.routes = routes
      }),
    setAddresses: (addresses) =>
      act('setAddresses', async () => {
        if (kernel.content.dispatcher === null) throw new Error('setAddresses before install')
        kernel.content.addresses = addresses
      }),
    flip: async (slot, generation) => {
      await act(`flip ${slot}`, async () => {
        if (kernel.content.slots[slot] === undefined) throw new Error(`flip to empty slot ${slot}`)
        if (kernel.content.shadow?.candidate === slot) throw new Error(`flip to the shadow in slot ${slot}`)
        kernel.content.active = { slot, generation }
        // Whom a generation asks stands beside its number, which a flip writes.
        if (kernel.content.shadow?.active === slot) kernel.content.shadow = null
      })
      return 12
    },
    close: () =>
      act('close', async () => {
        kernel.content.active = null
      }),
    tags: async (file) => {
      const tag = tagOf(hash(await readFile(file)))
      return Object.fromEntries(HOOKS.map((hook) => [hook, tag]))
    },
    inspect: async () => (kernel.content.dispatcher === null ? null : facts(kernel.content)),
    busySlots: async () => kernel.busy,
    unstage: (slot) =>
      act(`unstage ${slot}`, async () => {
        if (kernel.content.active?.slot === slot) throw new Error(`unstage of the active slot ${slot}`)
        if (kernel.content.shadow?.candidate === slot)
          throw new Error(`unstage of the shadow in slot ${slot}`)
        delete kernel.content.slots[slot]
      }),
    detach: () => act('detach', async () => kernel.reboot()),
  }
  const isSame = (slot: number, elf: Uint8Array) => kernel.content.slots[slot]?.elf === hash(elf)
  async function act(call: string, change: () => Promise<void>): Promise<void> {
    observe.before?.(call)
    kernel.calls.push(call)
    await change()
    observe.after?.(call)
  }
  return kernel
}

/** Rows of a slot, by identity: which blocks it is subject of and peer of. */
export function rowsOf(kernel: MemoryKernel, slot: number): Map<number, { subject: string; peer: string }> {
  const rows: [number, string, string][] = JSON.parse(kernel.content.slots[slot]?.rows ?? '[]')
  return new Map(rows.map(([identity, subject, peer]) => [identity, { subject, peer }]))
}

function facts(content: KernelContent): AttachedFacts {
  const hooks = (hex: string) => Object.fromEntries(HOOKS.map((hook) => [hook, { id: 1, tag: tagOf(hex) }]))
  return {
    dispatcher: `sha256:${content.dispatcher ?? ''}`,
    abi: content.abi,
    hooks: hooks(content.forged ?? content.dispatcher ?? ''),
    draining: Object.entries(content.draining).map(([hex, sockets]) => ({
      digest: `sha256:${hex}` as const,
      hooks: hooks(hex),
      sockets,
    })),
    active: content.active,
    slots: Object.entries(content.slots).map(([slot, { elf, tablesDigest }]) => ({
      slot: Number(slot),
      programs: { inbound: { id: 100 + Number(slot), tag: tagOf(elf) } },
      tablesDigest,
    })),
  }
}

function empty(): KernelContent {
  return {
    dispatcher: null,
    sockets: 0,
    draining: {},
    abi: Abi.ABI,
    forged: null,
    active: null,
    slots: {},
    addresses: [],
    outbound: emptyOutbound(),
    shadow: null,
  }
}

const uncounted = (): ShadowCounts => ({ agree: 0, newDenies: 0, newAllows: 0, other: 0, unseen: 0 })

const tagOf = (digest: string) => digest.slice(0, 16)

function hash(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** First word of each row as bits: tests have few blocks. */
function spell(rows: IdentityRows[]): string {
  return JSON.stringify(rows.map(({ identity, subject, peer }) => [identity, bits(subject), bits(peer)]))
}

function bits(row: bigint[]): string {
  return (row[0] ?? 0n).toString(2)
}
