/**
 * Clients as they are installed. Each takes exchanges, one after another, and says what went wrong. Those
 * that are a library read a line an exchange, `METHOD URL PAD FILE SHA256`, and answer `ok` or why not:
 * of GET the body must have the hash, of POST the file is sent and the body must be its hash; PAD bytes
 * of header make a head longer. `WS URL 0 TEXT -` sends a WebSocket message, which must come back.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createReadStream, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface, type Interface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { type Command, source } from './servers.ts'

export type Exchange = {
  method: 'GET' | 'POST' | 'SLOW' | 'TRICKLE' | 'WS'
  url: string
  pad: number
  file: string
  want: string
}
/** `requests` were made; `wrong` says what of it was not as it should be. */
export type Ran = { requests: number; wrong: string[] }
export interface Client {
  /** Makes requests of one kind, as many as it can, instead of those that it is given. */
  readonly isLoad?: boolean
  run(exchanges: readonly Exchange[]): Promise<Ran>
  close(): Promise<void>
}
/** Where clients live: a command that first joins the managed cgroup, and a folder. */
type Home = { cgroup: string; dir: string }

/** `sh` writes itself into the cgroup before it becomes the program. */
const joining = ({ cgroup }: Home, command: Command): Command => [
  'sh',
  '-c',
  `echo $$ > ${cgroup}/cgroup.procs; exec "$0" "$@"`,
  ...command,
]
/** Milliseconds for all exchanges of one run. */
const PATIENCE = process.env['HEDDLE_DEEP'] === '1' ? 900_000 : 30_000
const execute = promisify(execFile)

class LineClient implements Client {
  private readonly child: ChildProcess
  private readonly lines: Interface
  private readonly said: string[] = []

  constructor(home: Home, command: Command) {
    const [program, ...words] = joining(home, command)
    this.child = spawn(program, words, { stdio: ['pipe', 'pipe', 'inherit'] })
    this.lines = createInterface({ input: this.child.stdout as NodeJS.ReadableStream })
    this.lines.on('line', (line) => this.said.push(line))
  }

  async run(exchanges: readonly Exchange[]): Promise<Ran> {
    const asked = exchanges.map(
      ({ method, url, pad, file, want }) => `${method} ${url} ${pad} ${file} ${want}`,
    )
    this.child.stdin?.write(asked.map((line) => `${line}\n`).join(''))
    const signal = AbortSignal.timeout(PATIENCE)
    try {
      while (this.said.length < exchanges.length) await once(this.lines, 'line', { signal })
    } catch {
      this.said.push('hangs')
    }
    const said = this.said.splice(0)
    return { requests: exchanges.length, wrong: said.flatMap((line, i) => notOk(line, exchanges[i])) }
  }

  async close(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return
    const gone = once(this.child, 'exit')
    this.child.kill('SIGKILL')
    await gone
  }
}

const notOk = (said: string, exchange: Exchange | undefined) =>
  said === 'ok' ? [] : [`${exchange?.method} ${exchange?.url}: ${said}`]

/** One command for all: it keeps the connection from one transfer to the next. */
class Curl implements Client {
  private readonly home: Home
  constructor(home: Home) {
    this.home = home
  }

  async run(exchanges: readonly Exchange[]): Promise<Ran> {
    const { dir } = this.home
    const config = join(dir, 'curl.conf')
    const out = (i: number) => join(dir, `curl-${i}`)
    writeFileSync(
      config,
      exchanges
        .map((each, i) => {
          const post = each.method === 'POST' ? [`upload-file = "${each.file}"`, 'request = "POST"'] : []
          const pad = each.pad > 0 ? [`header = "X-Pad: ${'p'.repeat(each.pad)}"`] : []
          const told = 'write-out = "%{http_code} %{errormsg}\\n"'
          return [`url = "${each.url}"`, `output = "${out(i)}"`, told, ...post, ...pad].join('\n')
        })
        .join('\nnext\n'),
    )
    const [program, ...words] = joining(this.home, ['curl', '-s', '-K', config])
    const { stdout } = await execute(program, words, { timeout: PATIENCE }).catch(
      (error: { stdout: string }) => error,
    )
    const told = stdout.trim().split('\n')
    const said = await Promise.all(
      exchanges.map(async ({ method, want }, i) => {
        if (!told[i]?.startsWith('200')) return told[i] ?? 'nothing'
        const found = method === 'GET' ? await hashOf(out(i)) : readFileSync(out(i), 'latin1')
        return found === want ? 'ok' : `the body is ${found}`
      }),
    )
    for (const i of exchanges.keys()) rmSync(out(i), { force: true })
    return { requests: exchanges.length, wrong: said.flatMap((line, i) => notOk(line, exchanges[i])) }
  }

  async close(): Promise<void> {}
}

/** A second of the first GET on 16 connections; it checks lengths and statuses. */
class Wrk implements Client {
  readonly isLoad = true
  private readonly home: Home
  constructor(home: Home) {
    this.home = home
  }

  async run(exchanges: readonly Exchange[]): Promise<Ran> {
    const get = exchanges.find(({ file }) => file.endsWith('/1024')) as Exchange
    const pad = get.pad > 0 ? ['-H', `X-Pad: ${'p'.repeat(get.pad)}`] : []
    const [program, ...words] = joining(this.home, ['wrk', '-t1', '-c16', '-d1s', ...pad, get.url])
    const { stdout } = await execute(program, words)
    const requests = Number(/(\d+) requests in/.exec(stdout)?.[1])
    return { requests, wrong: stdout.match(/Socket errors.*|Non-2xx.*/g) ?? [] }
  }

  async close(): Promise<void> {}
}

export async function hashOf(path: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const part of createReadStream(path)) hash.update(part as Uint8Array)
  return hash.digest('hex')
}

const node = (kind: string) => (home: Home) =>
  new LineClient(home, [process.execPath, fileURLToPath(new URL('./client-node.js', import.meta.url)), kind])
const script =
  (...command: Command) =>
  (home: Home) =>
    new LineClient(home, command)

export const CLIENTS = {
  curl: (home) => new Curl(home),
  wrk: (home) => new Wrk(home),
  undici: node('undici'),
  fetch: node('fetch'),
  'node-http': node('http'),
  'http.client': script('python3', source('client-http.py')),
  asyncio: script('python3', source('client-asyncio.py')),
  java: script('java', source('client.java'), 'HTTP_1_1'),
  'java-h2c': script('java', source('client.java'), 'default'),
} as const satisfies Record<string, (home: Home) => Client>
export type ClientName = keyof typeof CLIENTS
