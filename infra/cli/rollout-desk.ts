/** The functions' desk, asked over HTTP or a unix socket. */
import { request } from 'node:http'
import type { RolloutDesk } from '../../functions/rollout/desk.ts'
import { Failure } from '../../pipelines/contract/failures.ts'
import { UsageError } from './usage.ts'

export type DeskPlace = { url: string } | { socket: string }
export type DeskView = Awaited<ReturnType<RolloutDesk['look']>>

const TIMEOUT_MS = 10_000
const MAX_ANSWER_BYTES = 8 * 1024 * 1024

/** What is under way; with an envelope, hands that in. Throws Failure('command-untrusted' | 'command-refused'). */
export async function askDesk(place: DeskPlace, envelope?: string): Promise<DeskView> {
  const { status, text } = await exchange(place, envelope)
  if (status === 200 || status === 202) return JSON.parse(text)
  const said = answerOf(text)
  const message = said?.message ?? `the functions answered ${status}`
  throw new Failure(said?.code === 'command-untrusted' ? 'command-untrusted' : 'command-refused', message)
}

function answerOf(text: string): { code?: string; message?: string } | undefined {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function exchange(place: DeskPlace, envelope?: string): Promise<{ status: number; text: string }> {
  const to =
    'socket' in place
      ? { socketPath: place.socket, path: '/rollout', host: 'localhost' }
      : addressOf(place.url)
  return new Promise((resolve, reject) => {
    const asked = request(
      { ...to, method: envelope === undefined ? 'GET' : 'POST', timeout: TIMEOUT_MS },
      (response) => {
        let text = ''
        response.setEncoding('utf8')
        response.on('data', (part: string) => {
          text += part
          if (text.length > MAX_ANSWER_BYTES) asked.destroy(new Error('the functions say too much'))
        })
        response.on('end', () => resolve({ status: response.statusCode ?? 0, text }))
        response.on('error', reject)
      },
    )
    asked.on('timeout', () => asked.destroy(new Error(`no answer within ${TIMEOUT_MS / 1000} s`)))
    asked.on('error', (cause) => {
      const where = 'socket' in place ? place.socket : place.url
      reject(new Failure('command-refused', `${where} can't be asked: ${cause.message}`, { cause }))
    })
    asked.end(envelope)
  })
}

function addressOf(url: string) {
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  if (parsed?.protocol !== 'http:') throw new UsageError(`${url} is no http URL of the functions`)
  return { host: parsed.hostname, port: parsed.port || 80, path: '/rollout' }
}
