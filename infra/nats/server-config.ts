/** nats-server's configuration, made from the subjects' one spelling. */
import { functionsPermissions, nodePermissions, type Permissions } from '../../pipelines/contract/subjects.ts'

export type NatsUsers = {
  /** Public NKEY of the functions. */
  functions: string
  nodes: { name: string; ring: string; nkey: string }[]
}

export type NatsServer = {
  /** Address to listen on. */
  host: string
  /** -1 = any free port; the server writes the chosen one into portsDirectory. */
  port: number
  storeDirectory: string
  portsDirectory: string
  /** The server writes its process id here; `heddle node revoke` reads it. */
  pidFile: string
}

/** Bytes of one message: a report with a verifier's last words stays below it. */
const MAX_PAYLOAD = 262_144

/**
 * Everybody is known by an NKEY and may do nothing but what is listed. JSON is
 * valid in nats-server's configuration language, which saves us its quoting.
 */
export function serverConfig(server: NatsServer, users: NatsUsers): string {
  const config = {
    listen: `${server.host}:${server.port}`,
    ports_file_dir: server.portsDirectory,
    pid_file: server.pidFile,
    jetstream: { store_dir: server.storeDirectory },
    max_payload: MAX_PAYLOAD,
    authorization: {
      users: [
        user(users.functions, functionsPermissions()),
        ...users.nodes.map(({ name, ring, nkey }) => user(nkey, nodePermissions(name, ring))),
      ],
    },
  }
  return `${JSON.stringify(config, null, 2)}\n`
}

export function user(nkey: string, { publish, subscribe }: Permissions) {
  return { nkey, permissions: { publish: { allow: publish }, subscribe: { allow: subscribe } } }
}
