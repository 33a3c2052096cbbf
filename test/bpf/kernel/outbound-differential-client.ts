/**
 * A workload's process with many connections. Each job says what to send and which bytes may come back; the next
 * request is sent as soon as an answer is whole. One JSON line a job (Job), one a result (Result).
 */
import { connect, type Socket } from 'node:net'
import { createInterface } from 'node:readline'

/**
 * `cuts`: where the bytes are parted into writes. `wanted`: base64, one of them is to come; `reset`: or the end of
 * the connection, which is as one more wanted answer.
 */
export type Sent = { bytes: string; cuts: number[]; wanted: string[]; reset: boolean }

/**
 * On connection `id`, which is opened where it is not there. `pipelined`: nothing is waited for before all is
 * sent. `eager`: the relay is not left the time to give the connection back between two. `end`: who ends it
 * behind the last answer: 'server', 'client', or nobody, as another job comes.
 */
export type Job = {
  id: number
  host: string
  port: number
  requests: Sent[]
  pipelined: boolean
  eager: boolean
  end: 'server' | 'client' | 'nobody'
}

/** `port`: the client's own. `which`: of each request's wanted answers. `got`: what came instead of one, base64. */
export type Result = { id: number; port: number; which: number[]; got?: string; why?: string }

/** Milliseconds; a machine under load is slow, a hang is for ever. */
const PATIENCE_MS = 20_000

/** Milliseconds; see Job. */
const PAUSE_MS = 2

const ENDS = ['ended', 'EPIPE']

class Line {
  readonly socket: Socket
  private job: Job | undefined
  private wanted: Buffer[][] = []
  private which: number[] = []
  private held: Buffer = Buffer.alloc(0)
  private ended = false
  private sent = 0
  private timer: NodeJS.Timeout | undefined

  constructor({ host, port }: Job) {
    this.socket = connect({ host, port, noDelay: true, allowHalfOpen: true })
    this.socket.on('connect', () => this.go())
    this.socket.on('data', (bytes) => {
      this.held = this.held.length === 0 ? bytes : Buffer.concat([this.held, bytes])
      this.go()
    })
    this.socket.on('end', () => {
      this.ended = true
      this.go()
    })
    this.socket.on('error', (error: NodeJS.ErrnoException) => this.failed(error.code ?? 'error'))
    this.socket.on('close', () => this.closed())
  }

  run(job: Job): void {
    this.job = job
    this.which = []
    this.sent = 0
    this.wanted = job.requests.map(({ wanted }) => wanted.map((text) => Buffer.from(text, 'base64')))
    if (this.socket.destroyed) {
      this.say('closed')
      return
    }
    this.timer = setTimeout(() => this.say('hangs'), PATIENCE_MS)
    if (job.pipelined) while (this.sent < job.requests.length) this.send()
    else this.send()
    this.go()
  }

  private send(): void {
    const request = this.job?.requests[this.sent++]
    if (!request) return
    const bytes = Buffer.from(request.bytes, 'base64')
    let at = 0
    for (const cut of [...request.cuts, bytes.length]) {
      this.socket.write(bytes.subarray(at, cut))
      at = cut
    }
  }

  private go(): void {
    while (this.job && this.which.length < this.wanted.length) {
      const wanted = this.wanted[this.which.length] as Buffer[]
      const found = wanted.findIndex((each) => this.held.subarray(0, each.length).equals(each))
      if (found < 0) {
        const more = wanted.some((each) => each.subarray(0, this.held.length).equals(this.held))
        if (!more && this.held.length > 0) this.say('other bytes')
        else if (this.ended) this.failed('ended')
        return
      }
      this.held = this.held.subarray((wanted[found] as Buffer).length)
      this.which.push(found)
      if (this.job.pipelined || this.sent === this.wanted.length) continue
      if (this.job.eager) this.send()
      else setTimeout(() => this.send(), PAUSE_MS)
    }
    this.finish()
  }

  private failed(code: string): void {
    const at = this.which.length
    const request = this.job?.requests[at]
    /* A reset that meets a write of a pipeline is told to that; what is read then is an end. */
    const isReset = code === 'ECONNRESET' || (this.job?.pipelined === true && ENDS.includes(code))
    const fits = isReset && request?.reset === true && this.held.length === 0
    if (fits) this.which.push(request.wanted.length)
    this.say(fits ? undefined : code)
  }

  private finish(): void {
    const { job } = this
    if (!job || this.socket.connecting) return
    if (this.held.length > 0) this.say('bytes behind the last answer')
    else if (job.end === 'nobody') this.say(this.ended ? 'ended' : undefined)
    else if (job.end === 'server') {
      if (this.ended) this.socket.end()
    } else this.socket.end()
  }

  private closed(): void {
    const { job } = this
    if (!job) return
    const all = this.which.length === this.wanted.length && job.end !== 'nobody' && this.ended
    this.say(all ? undefined : 'closed')
  }

  private say(why: string | undefined): void {
    const { job } = this
    if (!job) return
    this.job = undefined
    clearTimeout(this.timer)
    const { id } = job
    const port = this.socket.localPort ?? 0
    const result: Result = {
      id,
      port,
      which: this.which,
      ...(why && { why, got: this.held.toString('base64') }),
    }
    process.stdout.write(`${JSON.stringify(result)}\n`)
    if (why) this.socket.destroy()
    if (why || job.end !== 'nobody') lines.delete(id)
  }
}

const lines = new Map<number, Line>()
createInterface({ input: process.stdin }).on('line', (text) => {
  const job = JSON.parse(text) as Job
  const line = lines.get(job.id) ?? new Line(job)
  lines.set(job.id, line)
  line.run(job)
})
process.stdout.write('{"ready":true}\n')
