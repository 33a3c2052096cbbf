/**
 * Many clients of Node's own, each with one connection that it keeps, and a request now and then.
 * Prints {"open":…,"requests":…,"wrong":[…]}.
 *
 * node many.js CONNECTIONS ROUNDS URL FILE
 */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { Agent, get, type IncomingMessage } from 'node:http'

const [connections = '', rounds = '', url = '', file = ''] = process.argv.slice(2)
/** Requests at a time: the others are idle meanwhile. */
const AT_ONCE = 64
const MAX_WRONG = 10

const want = readFileSync(file)
const agents = Array.from(
  { length: Number(connections) },
  () => new Agent({ keepAlive: true, maxSockets: 1 }),
)
const wrong: string[] = []
let requests = 0

async function ask(agent: Agent, first: boolean): Promise<string | undefined> {
  const request = get(url, { agent })
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  const parts: Buffer[] = []
  for await (const part of response) parts.push(part as Buffer)
  requests++
  if (response.statusCode !== 200) return `${response.statusCode} ${Buffer.concat(parts)}`
  if (!Buffer.concat(parts).equals(want)) return 'another body'
  return first || request.reusedSocket ? undefined : 'another connection'
}

async function round(number: number): Promise<void> {
  let next = 0
  const worker = async () => {
    while (next < agents.length) {
      const agent = agents[next++] as Agent
      const said = await ask(agent, number === 0).catch((error: Error) => error.message)
      if (said !== undefined && wrong.length < MAX_WRONG) wrong.push(`round ${number}: ${said}`)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
}

for (let number = 0; number < Number(rounds); number++) await round(number)
const open = agents.reduce((sum, agent) => sum + Object.keys(agent.freeSockets).length, 0)
process.stdout.write(`${JSON.stringify({ open, requests, wrong })}\n`, () => process.exit(0))
