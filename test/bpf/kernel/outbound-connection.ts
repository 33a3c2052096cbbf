/** One connection of the client's process (outbound-client.ts), as a test drives it. */
import assert from 'node:assert/strict'

/** Milliseconds; a machine under load is slow, a hang is for ever. */
const PATIENCE = 15_000

export type Said = {
  id: number
  event: string
  bytes?: string | number
  sum?: number
  peer?: string
  code?: string
}

/** What one connection of the client's process heard. */
export class Connection {
  text = ''
  /** Of what came since the command `sum`. */
  total = { bytes: 0, sum: 0 }
  peer: string | undefined
  end: 'FIN' | undefined
  failure: string | undefined
  closed = false
  readonly command: (op: string, more?: Record<string, unknown>) => void
  private wake = () => {}

  constructor(command: (op: string, more?: Record<string, unknown>) => void) {
    this.command = command
  }

  heard({ event, bytes = '', sum = 0, peer, code }: Said): void {
    if (event === 'open') this.peer = peer ?? ''
    else if (event === 'total') this.total = { bytes: Number(bytes), sum }
    else if (event === 'data') this.text += Buffer.from(`${bytes}`, 'base64').toString('latin1')
    else if (event === 'end') this.end = 'FIN'
    else if (event === 'error') this.failure = code ?? 'unknown'
    else if (event === 'close') this.closed = true
    this.wake()
  }

  send(text: string): void {
    this.command('send', { bytes: Buffer.from(text, 'latin1').toString('base64') })
  }

  forget(): void {
    this.text = ''
  }

  /** One GET, and its whole response. */
  async get(target: string): Promise<string> {
    this.forget()
    this.send(`GET ${target} HTTP/1.1\r\nHost: front\r\n\r\n`)
    await this.until(() => responses(this.text) >= 1)
    return this.text
  }

  /** The status of each request, one after the other. */
  async statuses(requests: readonly string[]): Promise<number[]> {
    const seen: number[] = []
    for (const request of requests) {
      this.forget()
      this.send(request)
      await this.until(() => responses(this.text) === 1)
      seen.push(Number(this.text.slice(9, 12)))
    }
    return seen
  }

  async until(holds: () => boolean): Promise<void> {
    const end = Date.now() + PATIENCE
    while (!holds()) {
      const left = end - Date.now()
      assert.ok(left > 0, `${this.failure ?? this.end ?? 'open'}, got ${JSON.stringify(this.text)}`)
      let timer: NodeJS.Timeout | undefined
      await new Promise<void>((resolve) => {
        this.wake = resolve
        timer = setTimeout(resolve, left)
      })
      clearTimeout(timer)
    }
  }
}

/** Complete responses in a text; bodies by Content-Length only. */
export function responses(text: string): number {
  let count = 0
  let at = 0
  for (;;) {
    const end = text.indexOf('\r\n\r\n', at)
    if (end < 0) return count
    const length = /content-length: *(\d+)/i.exec(text.slice(at, end))?.[1]
    at = end + 4 + Number(length ?? 0)
    if (at > text.length) return count
    count++
  }
}
