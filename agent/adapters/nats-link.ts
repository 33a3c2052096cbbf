/** A node's one connection to the bus: kept up in the background, under the node's own key. */
import { connect, errors, type NatsConnection } from '@nats-io/transport-node'
import { inbox } from '../../pipelines/contract/subjects.ts'
import { type CredentialOptions, NatsCredentials } from './nats-credentials.ts'

/**
 * Milliseconds between attempts to connect: the first pause, and the longest. Chance takes up to half: a fleet
 * must not return at once.
 */
const RECONNECT_MS = 1_000
const MAX_RECONNECT_MS = 16_000
/** Milliseconds that one attempt to connect may take. */
const CONNECT_MS = 5_000
/** Milliseconds between questions whether the server is still there, and how many may stay unanswered. */
const PING_MS = 20_000
const MAX_UNANSWERED = 2
/** Milliseconds between two looks whether what the node shows has to be renewed. */
const LOOK_MS = 30_000

export type NatsOptions = CredentialOptions & {
  /** One, or several with commas between. */
  url: string
  ring: string
  lookMs?: number
}

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
  const backoff = new Backoff()
  const pause = new Pause()
  let closed = false
  let online = false
  let connection: NatsConnection | undefined
  let looks: NodeJS.Timeout | undefined
  const connecting = begin().catch((error: unknown) => log(`bus: ${error}`))

  async function begin(): Promise<void> {
    const credentials = await NatsCredentials.open(options)
    while (!closed && connection === undefined) {
      await renew(credentials)
      connection = await first(credentials)
      if (connection === undefined && !closed) await pause.wait(backoff.next())
    }
    if (connection === undefined) return
    if (closed) return connection.close()
    for (const user of users) user.connected?.(connection)
    say(true)
    void follow(connection, credentials)
    looks = setInterval(() => void look(credentials), options.lookMs ?? LOOK_MS)
  }

  async function first(credentials: NatsCredentials): Promise<NatsConnection | undefined> {
    const { shown } = credentials
    if (shown === undefined) return undefined
    return connect(connectOptions(options, shown, () => backoff.next())).catch((error: unknown) => {
      if (isRefusal(error)) credentials.refused()
      return undefined
    })
  }

  /** The connection that is there ends with the JWT that opened it: the next one is opened before. */
  async function look(credentials: NatsCredentials): Promise<void> {
    if ((await renew(credentials)) && online && !closed) await connection?.reconnect()
  }

  async function renew(credentials: NatsCredentials): Promise<boolean> {
    return credentials.renew(Date.now()).catch((error: Error) => {
      log(`bus: not renewed: ${error.message}`)
      return false
    })
  }

  function say(now: boolean): void {
    online = now
    if (!now) backoff.start()
    for (const user of users)
      if (now) user.online?.()
      else user.offline?.()
  }

  async function follow(open: NatsConnection, credentials: NatsCredentials): Promise<void> {
    for await (const status of open.status()) {
      if (status.type === 'disconnect' || status.type === 'error') log(`bus: ${status.type}`)
      if (status.type === 'error' && isRefusal(status.error)) credentials.refused()
      if (status.type === 'disconnect') say(false)
      if (status.type === 'reconnect') say(true)
    }
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
      pause.end()
      await connecting
      clearInterval(looks)
      await connection?.close()
    },
  }
}

function connectOptions(
  { url, node }: NatsOptions,
  shown: NonNullable<NatsCredentials['shown']>,
  reconnectDelayHandler: () => number,
) {
  return {
    servers: url.split(','),
    name: node,
    ...shown,
    inboxPrefix: inbox(node),
    maxReconnectAttempts: -1,
    reconnectDelayHandler,
    ignoreAuthErrorAbort: true,
    timeout: CONNECT_MS,
    pingInterval: PING_MS,
    maxPingOut: MAX_UNANSWERED,
  }
}

function isRefusal(error: unknown): boolean {
  return error instanceof errors.AuthorizationError || error instanceof errors.UserAuthenticationExpiredError
}

/** The longer it is away, the longer the pauses: the client asks anew within one of them, so nothing is counted. */
class Backoff {
  #since = performance.now()

  /** Milliseconds. */
  next(): number {
    const away = performance.now() - this.#since
    const longest = Math.min(Math.max(away, RECONNECT_MS), MAX_RECONNECT_MS)
    return longest * (1 - Math.random() / 2)
  }

  /** Away from now on. */
  start(): void {
    this.#since = performance.now()
  }
}

/** A wait that somebody may end. */
class Pause {
  #end = () => {}
  #ended = false

  wait(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      if (this.#ended) return resolve()
      const timer = setTimeout(resolve, milliseconds)
      this.#end = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  end(): void {
    this.#ended = true
    this.#end()
  }
}
