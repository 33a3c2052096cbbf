/** A node's one connection to the bus: kept up in the background, under the node's own key. */
import { readFile } from 'node:fs/promises'
import { connect, type NatsConnection, nkeyAuthenticator } from '@nats-io/transport-node'
import { inbox } from '../../pipelines/contract/subjects.ts'

/** Milliseconds between attempts to connect, and the most that chance adds: a fleet must not return at once. */
const RECONNECT_MS = 1_000
const RECONNECT_JITTER_MS = 2_000
/** Milliseconds that one attempt to connect may take. */
const CONNECT_MS = 5_000

export type NatsOptions = { url: string; seedFile: string; node: string; ring: string }

export type NatsUser = {
  /** Once, with the first connection: subscriptions outlive reconnects. */
  connected?(connection: NatsConnection): void
  /** At each connect and reconnect: what was sent meanwhile is lost. */
  online?(): void
  offline?(): void
}

export type NatsLink = {
  /** Undefined while the server can't be reached. */
  connection(): NatsConnection | undefined
  use(user: NatsUser): void
  close(): Promise<void>
}

/** Returns at once; connecting goes on until close(). */
export function natsLink(options: NatsOptions, log: (line: string) => void): NatsLink {
  const users: NatsUser[] = []
  let closed = false
  let online = false
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
    for (const user of users) user.connected?.(connection)
    say(true)
    void follow(connection)
  }

  function say(now: boolean): void {
    online = now
    for (const user of users)
      if (now) user.online?.()
      else user.offline?.()
  }

  async function follow(open: NatsConnection): Promise<void> {
    for await (const status of open.status()) {
      if (status.type === 'disconnect' || status.type === 'error') log(`bus: ${status.type}`)
      if (status.type === 'disconnect') say(false)
      if (status.type === 'reconnect') say(true)
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
    connection: () => (online ? connection : undefined),
    use(user) {
      users.push(user)
      if (connection === undefined) return
      user.connected?.(connection)
      if (online) user.online?.()
    },
    async close() {
      closed = true
      wakeUp()
      await connecting
      await connection?.close()
    },
  }
}
