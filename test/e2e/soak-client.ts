/**
 * Mixed traffic of one workload to a service, every answer checked: node soak-client.js HOST PORT
 * CONNECTIONS SERVERS. Says one JSON line a second: what was asked, and what went wrong, by name.
 * SIGTERM: finishes what is under way, says the last line, ends.
 */
import { Agent, request } from 'node:http'

const [host = '', port = '', connections = '16', servers = 'a'] = process.argv.slice(2)
const names = servers.split(',')
const agent = new Agent({ keepAlive: true, maxSockets: Number(connections) })
const BODY = Buffer.alloc(20_000, 'body ')
/** Milliseconds for one answer: a machine under load is slow, a hang is for ever. */
const PATIENCE = 20_000

/** A connection carries so many requests on average: others come in its place, and may lead elsewhere. */
const REQUESTS = 97

/** Sum as outbound-server.ts says it. */
function sum(bytes: Buffer): string {
  let total = 0
  for (const byte of bytes) total = (total * 31 + byte) % 1_000_000_007
  return `${bytes.length}:${total}`
}
const BODY_SUM = sum(BODY)

type Ask = { path: string; method: string; body?: Buffer; holds(text: string): boolean }

const KINDS: ((name: string, n: number) => Ask)[] = [
  (name, n) => ({
    path: `/${name}/plain?n=${n}`,
    method: 'GET',
    holds: (text) => text.startsWith(`${name} `) && text.includes(` GET /${name}/plain?n=${n} 0:0`),
  }),
  (name) => ({
    path: `/${name}/plain`,
    method: 'POST',
    body: BODY,
    holds: (text) => text.startsWith(`${name} `) && text.includes(BODY_SUM),
  }),
  (name) => ({ path: `/${name}/chunked`, method: 'GET', holds: (text) => text.startsWith(`${name} `) }),
  (name) => ({ path: `/${name}/big-300000`, method: 'GET', holds: (text) => text.length === 300_000 }),
  (name) => ({ path: `/${name}/pieces`, method: 'GET', holds: (text) => text.startsWith(`${name} `) }),
  (name) => ({ path: `/${name}/204`, method: 'GET', holds: (text) => text === '' }),
]

const counts = { asked: 0, good: 0 }
let wrong: Record<string, number> = {}
let stopping = false

function ask({ path, method, body, holds }: Ask, last: boolean): Promise<string | undefined> {
  return new Promise((resolve) => {
    const asked = request({ host, port, agent, path, method, timeout: PATIENCE }, (response) => {
      const { socket } = response
      let text = ''
      response.setEncoding('latin1')
      response.on('data', (part: string) => {
        text += part
      })
      response.on('end', () => {
        // Not by `Connection: close`: Node would use the connection again where the answer doesn't say it too.
        if (last) socket.destroy()
        if (response.statusCode !== 200 && response.statusCode !== 204)
          resolve(`status ${response.statusCode}`)
        else resolve(holds(text) ? undefined : `wrong answer to ${path}: ${text.slice(0, 60)}`)
      })
      response.on('error', (error: NodeJS.ErrnoException) => resolve(`in a response: ${error.code}`))
    })
    asked.on('timeout', () => asked.destroy(new Error('hangs')))
    asked.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
    asked.end(body)
  })
}

async function lane(seed: number): Promise<void> {
  for (let n = seed; !stopping; n += 7) {
    const kind = KINDS[n % KINDS.length] as (typeof KINDS)[number]
    counts.asked++
    // Every kind of each server.
    const name = names[Math.floor(n / KINDS.length) % names.length] as string
    const failure = await ask(kind(name, n), n % REQUESTS === 0)
    if (failure === undefined) counts.good++
    else {
      wrong[failure] = (wrong[failure] ?? 0) + 1
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
}

const tell = () => {
  process.stdout.write(`${JSON.stringify({ ...counts, wrong })}\n`)
  wrong = {}
}
const ticker = setInterval(tell, 1_000)
process.on('SIGTERM', () => {
  stopping = true
})
await Promise.all(Array.from({ length: Number(connections) }, (_, i) => lane(i)))
clearInterval(ticker)
tell()
agent.destroy()
