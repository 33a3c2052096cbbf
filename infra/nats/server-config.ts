/** nats-server's configuration: who is believed in one file, the same for all servers, the rest in another. */
import type { Accounts } from './authority.ts'

/** Files: what a server shows, and whose certificates it takes. */
export type ServerTls = { certificate: string; key: string; ca: string }

export type NatsServer = {
  /** Address to listen on. */
  host: string
  /** -1 = any free port; the server writes the chosen one into portsDirectory. */
  port: number
  portsDirectory: string
  /** The server writes its process id here; `heddle node revoke` reads it. */
  pidFile: string
  /** Who is believed: by its path from this configuration's directory. */
  accountsFile: string
  tls: ServerTls | null
  cluster: ClusterMember | null
}

export type ClusterMember = {
  /** This server's own name, and its address for the others. */
  name: string
  listen: string
  /** URLs of the others. */
  routes: readonly string[]
  tls: ServerTls
  /** Where the others are told to find it; null = at `listen`. */
  advertise: string | null
}

/** Bytes of one message: a report with a verifier's last words stays below it. */
const MAX_PAYLOAD = 262_144
/** Time between two questions, and how many may stay unanswered: who is cut off is given up then. */
const PING_INTERVAL = '5s'
const PINGS = 2
/** Seconds that a TLS handshake may take: a busy machine needs more than nats-server's own 2 s. */
const HANDSHAKE_SECONDS = 10
/** Seconds that a client may take to say who it is. */
const AUTH_SECONDS = 10

/** Operator mode, all accounts at hand: no server asks anybody whom to believe, and one that restarts knows it. */
export function accountsConfig({ operator, system, preload }: Accounts): string {
  return written({
    operator,
    system_account: system,
    resolver: 'MEMORY',
    resolver_preload: preload,
  })
}

/** No streams, no files: what a bus forgets is said again. */
export function serverConfig(server: NatsServer): string {
  const { tls, cluster } = server
  return `include ${JSON.stringify(server.accountsFile)}\n${written({
    listen: `${server.host}:${server.port}`,
    ports_file_dir: server.portsDirectory,
    pid_file: server.pidFile,
    max_payload: MAX_PAYLOAD,
    ping_interval: PING_INTERVAL,
    ping_max: PINGS,
    authorization: { timeout: AUTH_SECONDS },
    ...(tls === null ? {} : { tls: tlsBlock(tls) }),
    ...(cluster === null ? {} : { server_name: cluster.name, cluster: clusterBlock(cluster) }),
  })}`
}

/** Both ends show a certificate, everywhere. */
function tlsBlock({ certificate, key, ca }: ServerTls) {
  return {
    cert_file: certificate,
    key_file: key,
    ca_file: ca,
    verify: true,
    timeout: HANDSHAKE_SECONDS,
  }
}

/** Clients have their own list of servers: what a server tells of the others may not be where they can be reached. */
function clusterBlock({ listen, routes, tls, advertise }: ClusterMember) {
  return {
    name: 'heddle',
    listen,
    routes,
    tls: tlsBlock(tls),
    no_advertise: true,
    ...(advertise === null ? {} : { advertise }),
  }
}

/** A key a line: JSON's values are valid in nats-server's language, which saves us its quoting. */
function written(fields: Record<string, unknown>): string {
  const lines = Object.entries(fields).map(([key, value]) => `${key}: ${JSON.stringify(value, null, 2)}\n`)
  return lines.join('')
}
