/**
 * A durable queue in a directory, shaped like SQS: at-least-once, delays, deliveries counted, dead
 * letters. One file a message; every change of its state is one rename, so that kill -9 leaves each
 * message in exactly one place. Names are `<due ms>.<deliveries>.<id>.json`.
 */
import { createHash } from 'node:crypto'
import { readdir, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import {
  makeDirectory,
  removeLeftovers,
  syncDirectory,
  writeTemporary,
} from '../../functions/adapters/durable-file.ts'
import { tryLock } from '../../functions/adapters/file-lock.ts'
import type { Clock, Queue } from '../../functions/ports.ts'
import { canonicalJson } from '../../pipelines/contract/canonical-json.ts'
import type { StageName } from '../../pipelines/contract/events.ts'
import { DELIVERY } from '../../pipelines/delivery.ts'

const NAME = /^(\d{15})\.(\d+)\.([0-9a-f]{64})\.json$/
const STATES = ['ready', 'taken', 'dead'] as const

type Entry = { due: number; deliveries: number; id: string }
export type Message = { id: string; deliveries: number; body: string; entry: Entry }

export interface DiskQueue extends Queue {
  /** The message that is due first; it is ours until one of the three methods below. */
  take(stage: StageName): Promise<Message | undefined>
  acknowledge(stage: StageName, message: Message): Promise<void>
  retry(stage: StageName, message: Message, delayMs: number): Promise<void>
  bury(stage: StageName, message: Message): Promise<void>
  /** When the next message is due; undefined = none is waiting. */
  nextDue(stage: StageName): number | undefined
  /** Messages that wait or are taken. */
  size(): number
  onSend(wake: (stage: StageName) => void): void
  close(): void
}

/** Opens or makes the queue. What a killed process had taken is ready again. Throws when another process has it. */
export async function openDiskQueue(directory: string, clock: Clock): Promise<DiskQueue> {
  const temporary = join(directory, 'temporary')
  await makeDirectory(temporary)
  const release = tryLock(join(directory, '.lock'))
  if (release === undefined) throw new Error(`the queue in ${directory} is in use by another process`)
  await removeLeftovers(temporary)
  const ready = new Map<StageName, Entry[]>()
  for (const stage of Object.keys(DELIVERY) as StageName[]) ready.set(stage, await recover(directory, stage))
  return new Disk(directory, clock, ready, release)
}

async function recover(directory: string, stage: StageName): Promise<Entry[]> {
  for (const state of STATES) await makeDirectory(join(directory, stage, state))
  for (const name of await readdir(join(directory, stage, 'taken'))) {
    await rename(join(directory, stage, 'taken', name), join(directory, stage, 'ready', name))
  }
  const entries: Entry[] = []
  for (const name of await readdir(join(directory, stage, 'ready'))) {
    const [, due, deliveries, id = ''] = NAME.exec(name) ?? []
    if (due !== undefined) entries.push({ due: Number(due), deliveries: Number(deliveries), id })
  }
  return entries
}

class Disk implements DiskQueue {
  readonly #directory: string
  readonly #clock: Clock
  readonly #ready: Map<StageName, Entry[]>
  readonly #release: () => void
  readonly #wakers: ((stage: StageName) => void)[] = []
  #taken = 0

  constructor(directory: string, clock: Clock, ready: Map<StageName, Entry[]>, release: () => void) {
    this.#directory = directory
    this.#clock = clock
    this.#ready = ready
    this.#release = release
  }

  /** An equal event that still waits, and not for longer, makes this one needless. */
  async send(event: Parameters<Queue['send']>[0], delayMs = 0): Promise<void> {
    const body = canonicalJson(event)
    const id = createHash('sha256').update(body).digest('hex')
    const due = this.#clock.now().getTime() + Math.max(0, Math.ceil(delayMs))
    if (this.#entries(event.stage).some((entry) => entry.id === id && entry.due <= due)) return
    const entry = { due, deliveries: 0, id }
    const written = await writeTemporary(join(this.#directory, 'temporary'), Buffer.from(body))
    await rename(written, this.#path(event.stage, 'ready', entry))
    await syncDirectory(join(this.#directory, event.stage, 'ready'))
    this.#put(event.stage, entry)
  }

  async take(stage: StageName): Promise<Message | undefined> {
    const entries = this.#entries(stage)
    const first = entries.reduce<Entry | undefined>(
      (a, b) => (a === undefined || b.due < a.due ? b : a),
      undefined,
    )
    if (first === undefined || first.due > this.#clock.now().getTime()) return undefined
    entries.splice(entries.indexOf(first), 1)
    this.#taken++
    const entry = { ...first, deliveries: first.deliveries + 1 }
    const path = this.#path(stage, 'taken', entry)
    await rename(this.#path(stage, 'ready', first), path)
    return { id: entry.id, deliveries: entry.deliveries, body: await readFile(path, 'utf8'), entry }
  }

  async acknowledge(stage: StageName, { entry }: Message): Promise<void> {
    await rm(this.#path(stage, 'taken', entry), { force: true })
    this.#taken--
  }

  async retry(stage: StageName, { entry }: Message, delayMs: number): Promise<void> {
    const again = { ...entry, due: this.#clock.now().getTime() + delayMs }
    await rename(this.#path(stage, 'taken', entry), this.#path(stage, 'ready', again))
    this.#taken--
    this.#put(stage, again)
  }

  async bury(stage: StageName, { entry }: Message): Promise<void> {
    await rename(this.#path(stage, 'taken', entry), this.#path(stage, 'dead', entry))
    this.#taken--
  }

  nextDue(stage: StageName): number | undefined {
    const entries = this.#entries(stage)
    return entries.length === 0 ? undefined : Math.min(...entries.map(({ due }) => due))
  }

  size(): number {
    return [...this.#ready.values()].reduce((sum, entries) => sum + entries.length, this.#taken)
  }

  onSend(wake: (stage: StageName) => void): void {
    this.#wakers.push(wake)
  }

  close(): void {
    this.#release()
  }

  /** Equal names are one file, so they must be one entry. */
  #put(stage: StageName, entry: Entry): void {
    const { due, deliveries, id } = entry
    const entries = this.#entries(stage)
    if (entries.some((other) => other.due === due && other.deliveries === deliveries && other.id === id))
      return
    entries.push(entry)
    for (const wake of this.#wakers) wake(stage)
  }

  #entries(stage: StageName): Entry[] {
    return this.#ready.get(stage) ?? []
  }

  #path(stage: StageName, state: (typeof STATES)[number], { due, deliveries, id }: Entry): string {
    return join(this.#directory, stage, state, `${String(due).padStart(15, '0')}.${deliveries}.${id}.json`)
  }
}
