/** Other nodes as this one has heard them: what they said last, until they fall silent. Kept on disk. */
import { z } from 'zod'
import {
  Announcement,
  type Judged,
  judge,
  MAX_ANNOUNCEMENT_BYTES,
  type Member,
  withoutStolen,
} from '../pipelines/services/announcement.ts'
import type { Disk } from './disk.ts'

export const REGISTRY_FILE = 'registry.json'

/** Nodes that are remembered: more than a fleet's tables have room for. */
const MAX_NODES = 4_096

/** Milliseconds between two announcements of the same, and without any until a node is taken for gone. */
export const ANNOUNCE_MS = 15_000
export const SILENT_MS = 60_000

const Kept = z.strictObject({
  schema: z.literal('heddle.registry/1'),
  /** In the order in which they came: whose an address is. */
  nodes: z.array(Announcement).max(MAX_NODES),
})

type Heard = { announcement: Announcement; at: number }

/** Times are elapsed milliseconds of this process. */
export class KnownNodes {
  private readonly disk: Disk
  private readonly silentMs: number
  private readonly nodes = new Map<string, Heard>()
  /** Since when others can be heard; null = they can't. */
  private onlineSince: number | null = null
  private offlineSince: number

  private constructor(disk: Disk, silentMs: number, now: number) {
    this.disk = disk
    this.offlineSince = now
    this.silentMs = silentMs
  }

  /** What was kept is believed again as if it had just been said; a damaged file is an empty one. */
  static async open(disk: Disk, now: number, silentMs: number = SILENT_MS): Promise<KnownNodes> {
    const known = new KnownNodes(disk, silentMs, now)
    for (const announcement of await readKept(disk))
      known.nodes.set(announcement.node, { announcement, at: now })
    return known
  }

  online(now: number): void {
    this.onlineSince ??= now
  }

  /** Nobody can be heard: silence says nothing from here on. */
  offline(now: number): void {
    if (this.onlineSince !== null) this.offlineSince = now
    this.onlineSince = null
  }

  /** How many would be taken for gone, if silence said anything. */
  stale(now: number): number {
    return this.onlineSince === null && now - this.offlineSince > this.silentMs ? this.nodes.size : 0
  }

  /**
   * `node` is who the bus says has spoken. `changed`: it says something else than before.
   */
  hear(node: string, bytes: Uint8Array, now: number): { refused: string } | { changed: boolean } {
    const announcement = parse(bytes)
    if (announcement === undefined) return { refused: 'it is no announcement' }
    if (announcement.node !== node) return { refused: `it speaks for ${announcement.node}` }
    const before = this.nodes.get(node)
    if (before !== undefined && announcement.sequence <= before.announcement.sequence) {
      return { refused: 'it is not newer than what was heard' }
    }
    if (before === undefined && this.nodes.size >= MAX_NODES) return { refused: 'too many nodes' }
    this.nodes.set(node, { announcement, at: now })
    return { changed: before === undefined || !sameWords(before.announcement, announcement) }
  }

  /** Forget who could have been heard and was not. True when there was one. */
  forgetSilent(now: number): boolean {
    const { onlineSince } = this
    if (onlineSince === null) return false
    const silent = [...this.nodes].filter(([, { at }]) => now - Math.max(at, onlineSince) > this.silentMs)
    for (const [node] of silent) this.nodes.delete(node)
    return silent.length > 0
  }

  /** What of it is believed, by node. */
  judged(members: readonly Member[]): Map<string, Judged> {
    const byName = new Map(members.map((member) => [member.node, member]))
    const each = [...this.nodes].map(([node, { announcement }]) => judge(announcement, byName.get(node)))
    const judged = withoutStolen(each)
    return new Map([...this.nodes.keys()].map((node, index) => [node, judged[index] as Judged]))
  }

  async keep(): Promise<void> {
    const nodes = [...this.nodes.values()].map(({ announcement }) => announcement)
    const kept: z.infer<typeof Kept> = { schema: 'heddle.registry/1', nodes }
    await this.disk.write(REGISTRY_FILE, `${JSON.stringify(kept)}\n`)
  }
}

async function readKept(disk: Disk): Promise<Announcement[]> {
  const bytes = await disk.read(REGISTRY_FILE)
  if (bytes === undefined) return []
  try {
    return Kept.parse(JSON.parse(Buffer.from(bytes).toString())).nodes
  } catch {
    // They are heard again within one interval.
    return []
  }
}

function parse(bytes: Uint8Array): Announcement | undefined {
  if (bytes.length > MAX_ANNOUNCEMENT_BYTES) return undefined
  try {
    return Announcement.parse(JSON.parse(Buffer.from(bytes).toString()))
  } catch {
    return undefined
  }
}

function sameWords(left: Announcement, right: Announcement): boolean {
  return JSON.stringify({ ...left, sequence: 0 }) === JSON.stringify({ ...right, sequence: 0 })
}
