/**
 * Bus over NATS core subjects. The server may be down for as long as it likes: hints are lost (nodes
 * also look by their timers), reports are lost (nodes repeat them), nothing waits.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { connect, type NatsConnection, nkeyAuthenticator } from '@nats-io/transport-node'
import { Report } from '../../pipelines/contract/release.ts'
import { hint, inbox, ROLLOUT_ENDED, report } from '../../pipelines/contract/subjects.ts'
import type { Bus } from '../ports.ts'

/** Bytes of a report; larger ones are not looked at. */
const MAX_REPORT_BYTES = 262_144
const RECONNECT_MS = 500

export type NatsSettings = { url: string; seed?: Uint8Array; log: (line: string) => void }

/** Returns at once; connects, and reconnects for ever, behind it. */
export function natsBus(settings: NatsSettings): Bus {
  const handlers: ((report: Report) => void)[] = []
  const closing = new AbortController()
  let connection: NatsConnection | undefined

  const connecting = connectPatiently(settings, closing.signal).then((opened) => {
    connection = opened
    opened?.subscribe(report('*'), {
      callback: (error, message) => {
        if (error !== null) return settings.log(`bus: ${error.message}`)
        const parsed = parseReport(message.subject, message.data)
        if (parsed === undefined) return settings.log(`bus: not a report of its subject: ${message.subject}`)
        for (const handle of handlers) handle(parsed)
      },
    })
  })

  return {
    async hint(ring) {
      try {
        connection?.publish(hint(ring))
      } catch (error) {
        // Closed in this very moment: the hint is lost, the node's timer is not.
        settings.log(`bus: ${(error as Error).message}`)
      }
    },
    async tellEnd(ended) {
      try {
        connection?.publish(ROLLOUT_ENDED, JSON.stringify(ended))
      } catch (error) {
        settings.log(`bus: ${(error as Error).message}`)
      }
    },
    onReport(handle) {
      handlers.push(handle)
    },
    async close() {
      closing.abort()
      await connecting
      await connection?.close()
    },
  }
}

/**
 * Our own patience for the first connection: the client's (waitOnFirstConnect) can't be ended.
 * Undefined = closed before there was one.
 */
async function connectPatiently(
  { url, seed, log }: NatsSettings,
  closing: AbortSignal,
): Promise<NatsConnection | undefined> {
  const authentication = seed === undefined ? {} : { authenticator: nkeyAuthenticator(seed) }
  for (let told = false; !closing.aborted; told = true) {
    try {
      return await connect({
        servers: url,
        name: 'heddle-functions',
        inboxPrefix: inbox('functions'),
        maxReconnectAttempts: -1,
        reconnectTimeWait: RECONNECT_MS,
        ...authentication,
      })
    } catch (error) {
      if (!told) log(`bus: ${(error as Error).message}; trying again for ever`)
      await sleep(RECONNECT_MS, undefined, { signal: closing }).catch(() => {})
    }
  }
  return undefined
}

/** The server lets a node publish on its own subject only: a report must be of that node. */
export function parseReport(subject: string, data: Uint8Array): Report | undefined {
  if (data.length > MAX_REPORT_BYTES) return undefined
  try {
    const parsed = Report.parse(JSON.parse(Buffer.from(data).toString('utf8')))
    return subject === report(parsed.node) ? parsed : undefined
  } catch {
    return undefined
  }
}
