/** A registry in memory: everybody hears everybody while the air is there. What is believed is the agent's own reading. */
import type { Disk } from '../../agent/disk.ts'
import { KnownNodes } from '../../agent/known-nodes.ts'
import type { Registry } from '../../agent/ports.ts'
import type { Announcement, AnnouncedWorkload, Member } from '../../pipelines/services/announcement.ts'

type Participant = { heard(node: string, bytes: Uint8Array): void; speak(): void; air(there: boolean): void }

export class MemoryAir {
  private readonly participants = new Set<Participant>()
  private there = true

  set(there: boolean): void {
    this.there = there
    for (const each of this.participants) each.air(there)
    if (there) for (const each of this.participants) each.speak()
  }

  async join(options: {
    node: string
    zone: string | null
    members: readonly Member[]
    disk: Disk
    now(): number
    announceMs: number
    silentMs: number
  }): Promise<Registry> {
    const { node, zone, members, disk, now } = options
    const known = await KnownNodes.open(disk, now(), options.silentMs)
    let own: AnnouncedWorkload[] | undefined
    let sequence = 0
    let changed = () => {}
    const self: Participant = {
      heard: (who, bytes) => {
        const heard = known.hear(who, bytes, now())
        if ('changed' in heard && heard.changed) changed()
      },
      speak: () => {
        if (!this.there || own === undefined) return
        sequence = Math.max(sequence + 1, Date.now())
        const said: Announcement = { schema: 'heddle.announcement/1', node, zone, sequence, workloads: own }
        for (const each of this.participants)
          if (each !== self) each.heard(node, Buffer.from(JSON.stringify(said)))
      },
      air: (there) => (there ? known.online(now()) : known.offline(now())),
    }
    this.participants.add(self)
    self.air(this.there)
    const beat = setInterval(() => {
      if (known.forgetSilent(now())) changed()
      self.speak()
    }, options.announceMs)
    return {
      announce: (workloads) => {
        own = workloads
        self.speak()
      },
      list: async () => [...known.judged(members).values()].flatMap(({ accepted }) => accepted),
      stale: () => known.stale(now()),
      watch: (call) => {
        changed = call
        return () => {}
      },
      close: async () => {
        clearInterval(beat)
        this.participants.delete(self)
        await known.keep()
      },
    }
  }
}
