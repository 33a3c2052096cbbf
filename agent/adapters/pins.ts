/** Where a node's kernel objects are pinned, below its own bpffs directory. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Digest } from '../../pipelines/contract/artifact.ts'

/** Maps that outlive generations and dispatchers: the first dispatcher creates them, all else reuses them. */
export type LiveMap =
  | 'conns'
  | 'sockets'
  | 'active'
  | 'node'
  | 'population'
  | 'identities'
  | 'flows'
  | 'modes'
  | 'steered'
  | 'relayed'
  | 'listener'
  | 'counters'
  | 'events'
  | 'copies'
  | 'windows'
  | 'verdicts'
  | 'messages'
  | 'packets'
  | 'requests'
  | 'responses'
  | 'shadows'
  | 'shadow_requests'
  | 'shadow_passed'
  | 'shadow_dropped'
  | 'shadow_seats'
  | 'shadow_counts'
  | 'shadow_paces'
  | 'shadow_samples'
  | 'audits'
  | 'audit_paces'
  | 'audit_samples'
  | 'remote_upstreams'
  | 'service_addresses'
  | 'services'
  | 'members'
  | 'endpoints'
  | 'cgroups'
  | 'outbound_port'
  | 'called'
  | 'clients'
  | 'client_names'
  | 'upstreams'
  | 'pools'
  | 'direct_ways'
  | 'client_counters'
  | 'shares'
  | 'balances'
  | 'turns'
  | 'spots'
  | 'health'
  | 'births'
  | 'breakers'

/** Program of an artifact -> PROG_ARRAY that the dispatcher calls it through. */
export const GENERATION_PROGRAMS = {
  inbound_verdict: 'verdicts',
  inbound_message: 'messages',
  inbound_packet: 'packets',
  outbound_request: 'requests',
  outbound_response: 'responses',
  inbound_shadow: 'shadows',
  outbound_shadow: 'shadow_requests',
  packet_passed: 'shadow_passed',
  packet_dropped: 'shadow_dropped',
} as const

/**
 * Is a map of the program file a live one? Told by its name and not by a list: a file of the next
 * ABI may have one more than this agent knows, and its artifacts have to share that one too.
 */
export function isLive(map: string): boolean {
  return !/^(own_|[._])/.test(map)
}

export class Pins {
  readonly root: string

  constructor(bpffs: string) {
    this.root = join(bpffs, 'heddle')
  }

  /** Appears by rename when everything in it is there. */
  get base(): string {
    return join(this.root, 'base')
  }
  /** What is being loaded. A death leaves it behind; nothing of it is attached. */
  get loading(): string {
    return join(this.root, 'loading')
  }
  get maps(): string {
    return join(this.base, 'maps')
  }
  map(name: LiveMap): string {
    return join(this.maps, name)
  }
  /** All live maps that are pinned. */
  liveMaps(): string[] {
    return namesIn(this.maps)
  }
  /** Pins of the dispatcher whose file has this digest. */
  dispatcher(digest: Digest): DispatcherPins {
    return new DispatcherPins(this.base, digest)
  }
  dispatchers(): DispatcherPins[] {
    return namesIn(join(this.base, DISPATCHERS)).map((hex) => this.dispatcher(`sha256:${hex}`))
  }
  /** Programs that are only looked at. */
  get look(): string {
    return join(this.root, 'look')
  }
  slot(slot: number): string {
    return join(this.root, 'slots', String(slot))
  }
  slotMap(slot: number, name: string): string {
    return join(this.slot(slot), 'maps', name)
  }
  slotProgram(slot: number, program: string): string {
    return join(this.slot(slot), 'programs', program)
  }
}

const DISPATCHERS = 'dispatchers'

/** One dispatcher's programs, and the maps that are its alone. Appears by rename, too. */
export class DispatcherPins {
  readonly digest: Digest
  readonly root: string

  constructor(base: string, digest: Digest) {
    this.digest = digest
    this.root = join(base, DISPATCHERS, digest.replace('sha256:', ''))
  }

  get programs(): string {
    return join(this.root, 'programs')
  }
  get maps(): string {
    return join(this.root, 'maps')
  }
  program(name: string): string {
    return join(this.programs, name)
  }
  /** Sockhash of the sockets that it reads, with its programs. */
  get readers(): string {
    return join(this.maps, 'own_readers')
  }
  /** Sockhash of the clients that it reads, with its programs. */
  get callers(): string {
    return join(this.maps, 'own_callers')
  }
  /** Sockhash of the relay's connections to other nodes, with its programs. */
  get remotes(): string {
    return join(this.maps, 'own_remotes')
  }
  /** libbpf pins section .rodata.abi with its dots replaced. */
  get abi(): string {
    return join(this.maps, '_rodata_abi')
  }
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}
