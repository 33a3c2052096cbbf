/** Hints in, reports out, over NATS. A bus that is down changes nothing but how soon a node looks. */
import { readFile } from 'node:fs/promises'
import { connect, type NatsConnection, nkeyAuthenticator } from '@nats-io/transport-node'
import { Failure } from '../../pipelines/contract/failures.ts'
import { hint, inbox, report } from '../../pipelines/contract/subjects.ts'
import type { Bus } from '../ports.ts'

/** Milliseconds between attempts to connect, and the most that chance adds: a fleet must not return at once. */
const RECONNECT_MS = 1_000
const RECONNECT_JITTER_MS = 2_000
/** Milliseconds that one attempt to connect may take. */
const CONNECT_MS = 5_000
/** Milliseconds that a report may take to reach the server. */
const FLUSH_MS = 5_000

export type NatsOptions = { url: string; seedFile: string; node: string; ring: string }

/** Returns at once; connecting goes on in the background until close(). */
export function natsBus(options: NatsOptions, log: (line: string) => void): Bus {
  let closed = false
  let online = false
  let handle = () => {}
  let connection: NatsConnection | undefined
  const connecting = begin().catch((error: unknown) => log(`bus: ${error}`))

  async function begin(): Promise<void> {
    const seed = new TextEncoder().encode((await readFile(options.seedFile, 'utf8')).trim())
    while (!closed && connection === undefined) {
      connection = await connect({
        servers: options.url,
        name: options.node,
        authenticator: nkeyAuthenticator(seed),
        inboxPrefix: inbox(options.node),
        maxReconnectAttempts: -1,
        reconnectTimeWait: RECONNECT_MS,
        reconnectJitter: RECONNECT_JITTER_MS,
        ignoreAuthErrorAbort: true,
        timeout: CONNECT_MS,
      }).catch(() => undefined)
      if (connection === undefined && !closed) await pause()
    }
    if (connection === undefined) return
    if (closed) return connection.close()
    online = true
    connection.subscribe(hint(options.ring), {
      callback: (refused) => (refused === null ? handle() : log(`bus: ${refused.message}`)),
    })
    handle()
    void follow(connection)
  }

  /** Hints sent while we were away are lost: look after every reconnect. */
  async function follow(open: NatsConnection): Promise<void> {
    for await (const status of open.status()) {
      if (status.type === 'disconnect' || status.type === 'error') log(`bus: ${status.type}`)
      if (status.type === 'disconnect') online = false
      if (status.type !== 'reconnect') continue
      online = true
      handle()
    }
  }

  let wakeUp = () => {}
  function pause(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, RECONNECT_MS + Math.random() * RECONNECT_JITTER_MS)
      wakeUp = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  return {
    async onHint(call) {
      handle = call
    },
    async report(statement) {
      // Not left to the client's buffer: an old report that arrives late tells a state that is gone.
      if (connection === undefined || !online) throw new Failure('bus-unavailable', 'not connected')
      try {
        connection.publish(report(options.node), JSON.stringify(statement))
        await within(connection.flush(), FLUSH_MS)
      } catch (cause) {
        // It may go away under the report, before `follow` is told.
        throw cause instanceof Failure ? cause : new Failure('bus-unavailable', String(cause), { cause })
      }
    },
    async close() {
      closed = true
      wakeUp()
      await connecting
      await connection?.close()
    },
  }
}

async function within(work: Promise<void>, milliseconds: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Failure('bus-unavailable', 'the server does not answer')),
      milliseconds,
    )
  })
  await Promise.race([work, late]).finally(() => clearTimeout(timer))
}
