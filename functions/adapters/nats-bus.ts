/**
 * Bus over NATS core subjects. The servers may be down for as long as they like: hints are lost (nodes
 * also look by their timers), reports are lost (nodes repeat them), nothing waits.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { connect, type NatsConnection, type TlsOptions } from '@nats-io/transport-node'
import { BUS_SERVER_NAME } from '../../pipelines/contract/bus-members.ts'
import { Report } from '../../pipelines/contract/release.ts'
import { hint, inbox, ROLLOUT_ENDED, report } from '../../pipelines/contract/subjects.ts'
import type { Bus } from '../ports.ts'
import { functionsUser, type NatsCredentials } from './nats-issuer.ts'

/** Bytes of a report; larger ones are not looked at. */
const MAX_REPORT_BYTES = 262_144
/** Milliseconds between attempts to connect, and the most that chance adds. */
const RECONNECT_MS = 500
const RECONNECT_JITTER_MS = 500
/** Milliseconds that one attempt may take: a server that is cut off neither answers nor refuses. */
const CONNECT_MS = 5_000
/** Milliseconds between questions whether the server is still there, and how many may stay unanswered. */
const PING_MS = 5_000
const MAX_UNANSWERED = 2
/** Milliseconds that a user of the functions lives; it is made anew in half of that. */
const USER_LIFE_MS = 3_600_000

/** Files: who signs servers, and what the functions show them. */
export type NatsTls = { ca: string; certificate: string; key: string }

export type NatsSettings = {
  /** One, or several with commas between. */
  url: string
  credentials?: NatsCredentials
  tls?: NatsTls
  log: (line: string) => void
}

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
  { url, credentials, tls, log }: NatsSettings,
  closing: AbortSignal,
): Promise<NatsConnection | undefined> {
  const authentication = credentials === undefined ? {} : await authenticate(credentials, closing, log)
  const files = tls === undefined ? {} : { tls: tlsOptions(tls) }
  for (let told = false; !closing.aborted; told = true) {
    try {
      return await connect({
        servers: url.split(','),
        name: 'heddle-functions',
        inboxPrefix: inbox('functions'),
        maxReconnectAttempts: -1,
        reconnectTimeWait: RECONNECT_MS,
        reconnectJitter: RECONNECT_JITTER_MS,
        reconnectJitterTLS: RECONNECT_JITTER_MS,
        ignoreAuthErrorAbort: true,
        timeout: CONNECT_MS,
        pingInterval: PING_MS,
        maxPingOut: MAX_UNANSWERED,
        ...files,
        ...authentication,
      })
    } catch (error) {
      if (!told) log(`bus: ${(error as Error).message}; trying again for ever`)
      const wait = RECONNECT_MS + Math.random() * RECONNECT_JITTER_MS
      await sleep(wait, undefined, { signal: closing }).catch(() => {})
    }
  }
  return undefined
}

/** The client hands what it does not know to node:tls. */
function tlsOptions({ ca, certificate, key }: NatsTls): TlsOptions {
  const files = { caFile: ca, certFile: certificate, keyFile: key }
  return { ...files, servername: BUS_SERVER_NAME } as TlsOptions
}

/** The server ends a connection with its user; the client comes back as the next one. */
async function authenticate(credentials: NatsCredentials, closing: AbortSignal, log: (line: string) => void) {
  const make = () => functionsUser(credentials, new Date(Date.now() + USER_LIFE_MS))
  let user = await make()
  const timer = setInterval(() => {
    make().then(
      (next) => {
        user = next
      },
      (error: Error) => log(`bus: ${error.message}`),
    )
  }, USER_LIFE_MS / 2)
  timer.unref()
  closing.addEventListener('abort', () => clearInterval(timer))
  // Without the public key, which the JWT names: nats-server 2.9 ends who shows both at each reload.
  const authenticator = (nonce = '') => ({
    jwt: user.jwt,
    sig: Buffer.from(user.keys.sign(Buffer.from(nonce))).toString('base64url'),
  })
  return { authenticator }
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
