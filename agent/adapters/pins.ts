/** Where a node's kernel objects are pinned, below its own bpffs directory. */
import { join } from 'node:path'

/** Maps that outlive generations: the dispatcher creates them, artifacts reuse them. */
export const LIVE_MAPS = [
  'conns',
  'sockets',
  'cookies',
  'active',
  'node',
  'population',
  'identities',
  'flows',
  'modes',
  'steered',
  'relayed',
  'listener',
  'counters',
  'events',
  'windows',
  'verdicts',
  'messages',
  'packets',
] as const
export type LiveMap = (typeof LIVE_MAPS)[number]

/** Program of an artifact -> PROG_ARRAY that the dispatcher calls it through. */
export const GENERATION_PROGRAMS = {
  inbound_verdict: 'verdicts',
  inbound_message: 'messages',
  inbound_packet: 'packets',
} as const

export class Pins {
  readonly root: string

  constructor(bpffs: string) {
    this.root = join(bpffs, 'heddle')
  }

  /** Appears by rename when everything in it is there. */
  get base(): string {
    return join(this.root, 'base')
  }
  get maps(): string {
    return join(this.base, 'maps')
  }
  map(name: LiveMap): string {
    return join(this.maps, name)
  }
  dispatcher(program: string): string {
    return join(this.base, 'programs', program)
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
