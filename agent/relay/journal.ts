/** Lines for people and for log collectors: JSON, bounded, never in the way of traffic. */
import { createWriteStream, type WriteStream } from 'node:fs'

/** Bytes that may wait for the disk; what comes above is dropped and counted. */
const MAX_WAITING_BYTES = 1_048_576
/** Different complaints that are remembered as said. */
const MAX_COMPLAINTS = 256

export class Journal {
  dropped = 0
  private readonly stream: WriteStream | undefined

  /** Null = nothing is written. */
  constructor(file: string | null) {
    if (file === null) return
    this.stream = createWriteStream(file, { flags: 'a', mode: 0o600 })
    this.stream.on('error', (error) => console.error(`journal: ${error.message}`))
  }

  write(line: Record<string, unknown>): void {
    if (!this.stream || this.stream.destroyed) return
    if (this.stream.writableLength > MAX_WAITING_BYTES) this.dropped++
    else this.stream.write(`${JSON.stringify(line)}\n`)
  }

  close(): Promise<void> {
    const stream = this.stream
    if (!stream || stream.destroyed) return Promise.resolve()
    return new Promise((resolve) => stream.end(resolve))
  }
}

/** Says each complaint once, counts all: a fault that repeats must not fill a disk. */
export class Complaints {
  count = 0
  private readonly said = new Set<string>()
  private readonly say: (line: string) => void

  constructor(say: (line: string) => void) {
    this.say = say
  }

  about(what: string, error: unknown): void {
    this.count++
    const line = `${what}: ${error instanceof Error ? error.message : String(error)}`
    if (this.said.has(line) || this.said.size >= MAX_COMPLAINTS) return
    this.said.add(line)
    this.say(line)
  }
}
