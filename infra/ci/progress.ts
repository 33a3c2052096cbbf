/** What a suite is at: a file that takes an hour has to be told from one that hangs. */
import { relative } from 'node:path'

/** Shorter is noise, longer is a doubt. */
export const TELL_EVERY_MS = 60_000

type Seen = { name: string; file?: string | undefined }
type At = { since: number; done: number; last: string }

export class Progress {
  private readonly files = new Map<string, At>()
  private readonly root: string
  private readonly now: () => number

  constructor(root: string, now: () => number) {
    this.root = root
    this.now = now
  }

  /** An event of node:test's stream; a file's own events carry its path as their name. */
  see(type: string, { name, file }: Seen): void {
    if (type === 'test:dequeue' && name === file)
      this.files.set(file, { since: this.now(), done: 0, last: '' })
    if (type === 'test:complete' && name === file) this.files.delete(file)
    const at = this.files.get(file ?? '')
    if (at === undefined || (type !== 'test:pass' && type !== 'test:fail')) return
    at.done++
    at.last = name
  }

  /** One line a file that has been under way for long. */
  lines(): string[] {
    const long = [...this.files].filter(([, at]) => this.now() - at.since >= TELL_EVERY_MS)
    return long.map(([file, at]) => {
      const minutes = Math.floor((this.now() - at.since) / 60_000)
      const last = at.last === '' ? '' : `, the last: ${at.last}`
      return `  ${minutes} min  ${relative(this.root, file).replace('dist/', '')}: ${at.done} tests done${last}`
    })
  }
}
