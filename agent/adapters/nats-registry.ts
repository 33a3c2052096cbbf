/**
 * The registry over NATS: each node says again and again what it has, on a subject that only its own key may
 * publish on. Plain messages, no stream: who joins has heard everybody after one interval, and a server
 * that forgets everything has nothing to lose.
 */
import { announcement as subjectOf, ANNOUNCEMENTS, announcerOf } from '../../pipelines/contract/subjects.ts'
import {
  type Announcement,
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
  const { node, zone, members, disk, clock, announceMs = ANNOUNCE_MS, silentMs = SILENT_MS } = options
  const known = await KnownNodes.open(disk, clock.elapsed(), silentMs)
  let own: AnnouncedWorkload[] | undefined
  let sequence = 0
  let changed = () => {}
  let kept = Promise.resolve()
  const refusals = new Map<string, string>()

  function say(): void {
    const connection = link.connection()
    if (connection === undefined || own === undefined) return
    // Higher than anything that an earlier process of this node has said.
    sequence = Math.max(sequence + 1, Math.floor(clock.now()))
    const said: Announcement = { schema: 'heddle.announcement/1', node, zone, sequence, workloads: own }
    const bytes = Buffer.from(JSON.stringify(said))
    if (bytes.length > MAX_ANNOUNCEMENT_BYTES)
      complain(node, `${bytes.length} bytes are too many to be announced`)
    else connection.publish(subjectOf(node), bytes)
  }

  function complain(who: string, why: string): void {
    if (refusals.get(who) !== why) log(`registry: ${who}: ${why}`)
    refusals.set(who, why)
  }

  function tell(): void {
    kept = kept.then(() => known.keep()).catch((error: unknown) => log(`registry: ${error}`))
    changed()
  }

  function hear(subject: string, bytes: Uint8Array): void {
    const who = announcerOf(subject)
    if (who === node) return
    const heard = known.hear(who, bytes, clock.elapsed())
    if ('refused' in heard) complain(who, heard.refused)
    else if (heard.changed) tell()
  }

  link.use({
    connected: (connection) => {
      connection.subscribe(ANNOUNCEMENTS, {
        callback: (refused, message) => {
          if (refused !== null) log(`registry: ${refused.message}`)
          else hear(message.subject, message.data)
        },
      })
    },
    online: () => {
      known.online(clock.elapsed())
      say()
    },
    offline: () => known.offline(clock.elapsed()),
  })
  const beat = setInterval(() => {
    if (known.forgetSilent(clock.elapsed())) tell()
    say()
  }, announceMs)

  return {
    announce(workloads) {
      const before = JSON.stringify(own)
      own = workloads
      if (JSON.stringify(own) !== before) say()
    },
    async list() {
      const judged = known.judged(await members.read())
      for (const [who, { refused }] of judged) {
        const [first] = refused
        if (first !== undefined) complain(who, `${first.workload}: ${first.why}, ${refused.length} refused`)
      }
      return [...judged.values()].flatMap(({ accepted }) => accepted)
    },
    stale: () => known.stale(clock.elapsed()),
    watch(call) {
      changed = call
      const unwatch = members.watch(call)
      return () => {
        changed = () => {}
        unwatch()
      }
    },
    async close() {
      clearInterval(beat)
      await kept
    },
  }
}
