/**
 * The registry over NATS: each node says again and again what it has, on a subject that only its own key may
 * publish on. Plain messages, no stream: who joins has heard everybody after one interval, and a server
 * that forgets everything has nothing to lose.
 */
import { announcement as subjectOf, ANNOUNCEMENTS, announcerOf } from '../../pipelines/contract/subjects.ts'
import {
  Announcement,
  type AnnouncedWorkload,
  MAX_ANNOUNCEMENT_BYTES,
  type Member,
} from '../../pipelines/services/announcement.ts'
import { ANNOUNCE_MS, KnownNodes, SILENT_MS } from '../known-nodes.ts'
import type { Disk } from '../disk.ts'
import type { Clock } from '../node.ts'
import type { Registry } from '../ports.ts'
import type { NatsLink } from './nats-link.ts'
import type { WatchedFile } from './watched-file.ts'

export type RegistryOptions = {
  node: string
  zone: string | null
  members: WatchedFile<Member[]>
  disk: Disk
  clock: Clock
  announceMs?: number
  silentMs?: number
}

export async function natsRegistry(
  options: RegistryOptions,
  link: NatsLink,
  log: (line: string) => void,
): Promise<Registry> {
  const { disk, clock, members, announceMs = ANNOUNCE_MS, silentMs = SILENT_MS } = options
  const complain = complaints(log)
  const known = await KnownNodes.open(disk, clock.elapsed(), silentMs)
  const voice = new Voice(options, link, complain)
  const ear = new Ear(options.node, known, complain)
  link.use({
    connected: (connection) => {
      connection.subscribe(ANNOUNCEMENTS, {
        callback: (refused, { subject, data }) => {
          if (refused !== null) log(`registry: ${refused.message}`)
          else ear.hear(announcerOf(subject), data, clock.elapsed())
        },
      })
    },
    online: () => {
      known.online(clock.elapsed())
      voice.say()
    },
    offline: () => known.offline(clock.elapsed()),
  })
  const beat = setInterval(() => {
    ear.forgetSilent(clock.elapsed())
    voice.say()
  }, announceMs)
  return {
    announce: (workloads) => voice.announce(workloads),
    list: async () => {
      const judged = known.judged(await members.read())
      for (const [who, { refused }] of judged) {
        const [first] = refused
        if (first !== undefined) complain(who, `${first.workload}: ${first.why}, ${refused.length} refused`)
      }
      return [...judged.values()].flatMap(({ accepted }) => accepted)
    },
    stale: () => known.stale(clock.elapsed()),
    watch: (changed) => {
      const stops = [ear.watch(changed), members.watch(changed)]
      return () => stops.forEach((stop) => void stop())
    },
    close: async () => {
      clearInterval(beat)
      await ear.kept()
    },
  }
}

type Complain = (who: string, why: string) => void

/** The same about the same node is said once: it says it again at every beat. */
function complaints(log: (line: string) => void): Complain {
  const said = new Map<string, string>()
  return (who, why) => {
    if (said.get(who) !== why) log(`registry: ${who}: ${why}`)
    said.set(who, why)
  }
}

/** What this node tells. */
class Voice {
  private readonly options: RegistryOptions
  private readonly link: NatsLink
  private readonly complain: Complain
  private own: AnnouncedWorkload[] | undefined
  private sequence = 0

  constructor(options: RegistryOptions, link: NatsLink, complain: Complain) {
    this.options = options
    this.link = link
    this.complain = complain
  }

  announce(workloads: AnnouncedWorkload[]): void {
    const before = JSON.stringify(this.own)
    this.own = workloads
    if (JSON.stringify(workloads) !== before) this.say()
  }

  say(): void {
    const { node, zone, clock } = this.options
    const connection = this.link.connection()
    if (connection === undefined || this.own === undefined) return
    // Higher than anything that an earlier process of this node has said.
    this.sequence = Math.max(this.sequence + 1, Math.floor(clock.now()))
    const { sequence, own: workloads } = this
    const said = Announcement.safeParse({ schema: 'heddle.announcement/1', node, zone, sequence, workloads })
    const bytes = Buffer.from(JSON.stringify(said.data ?? null))
    const [issue] = said.error?.issues ?? []
    if (issue !== undefined) this.complain(node, `not announced: ${issue.path.join('.')}: ${issue.message}`)
    else if (bytes.length > MAX_ANNOUNCEMENT_BYTES)
      this.complain(node, `not announced: ${bytes.length} bytes, more than ${MAX_ANNOUNCEMENT_BYTES}`)
    else connection.publish(subjectOf(node), bytes)
  }
}

/** What this node hears, and keeps. */
class Ear {
  private readonly node: string
  private readonly known: KnownNodes
  private readonly complain: Complain
  private changed = () => {}
  private keeping = Promise.resolve()

  constructor(node: string, known: KnownNodes, complain: Complain) {
    this.node = node
    this.known = known
    this.complain = complain
  }

  hear(who: string, bytes: Uint8Array, now: number): void {
    if (who === this.node) return
    const heard = this.known.hear(who, bytes, now)
    if ('refused' in heard) this.complain(who, heard.refused)
    else if (heard.changed) this.tell()
  }

  forgetSilent(now: number): void {
    if (this.known.forgetSilent(now)) this.tell()
  }

  watch(changed: () => void): () => void {
    this.changed = changed
    return () => {
      this.changed = () => {}
    }
  }

  kept(): Promise<void> {
    return this.keeping
  }

  private tell(): void {
    const keep = () => this.known.keep()
    this.keeping = this.keeping
      .then(keep)
      .catch((error: unknown) => this.complain(this.node, `not kept: ${error}`))
    this.changed()
  }
}
