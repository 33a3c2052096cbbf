/**
 * A workload's process that calls a service: Node's own HTTP client with one connection kept alive, which
 * knows nothing of Heddle. Each target in turn, a line of JSON an answer; SIGTERM ends it behind an answer.
 *
 *     node dist/infra/local/caller.js HOST PORT TARGET…
 */
import { Agent, get } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Answer } from './callers.ts'

/** Milliseconds between an answer and the next request: it is there to look at, not to load anything. */
const PAUSE_MS = 2
/** The same behind a failure: soon, but never a storm. */
const RETRY_MS = 20
/** What has no answer by then is lost. */
const ANSWER_DEADLINE_MS = 5_000

const [host = '', port = '', ...targets] = process.argv.slice(2)
const agent = new Agent({ keepAlive: true, maxSockets: 1 })

function ask(target: string): Promise<Answer> {
  const sent = Date.now()
  return new Promise((resolve) => {
    const request = get({ host, port, path: target, agent, timeout: ANSWER_DEADLINE_MS }, (response) => {
      const from = response.socket.localPort ?? 0
      let body = ''
      response.setEncoding('utf8')
      response.on('data', (text: string) => {
        body += text
      })
      response.on('error', (error) => resolve({ sent, at: Date.now(), target, from, error: error.message }))
      response.on('end', () =>
        resolve({ sent, at: Date.now(), target, from, status: response.statusCode ?? 0, body: body.trim() }),
      )
    })
    request.on('timeout', () => request.destroy(new Error(`no answer within ${ANSWER_DEADLINE_MS} ms`)))
    request.on('error', (error) => resolve({ sent, at: Date.now(), target, from: 0, error: error.message }))
  })
}

let stopping = false
process.once('SIGTERM', () => {
  stopping = true
})
while (!stopping) {
  for (const target of targets) {
    const answer = await ask(target)
    process.stdout.write(`${JSON.stringify(answer)}\n`)
    await sleep(answer.error === undefined ? PAUSE_MS : RETRY_MS)
  }
}
agent.destroy()
