/** The relay's listener: takes steered connections, connects on to the server that was meant. */
import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import { addressBytes, addressText } from '../adapters/address-bytes.ts'
import { boundSocket } from './bound-socket.ts'
import { Exchange, type RelayVerdict } from './exchange.ts'
import type { Mirror } from './mirror/mirror.ts'
import type { Flow, Steering } from './steering.ts'
import type { Context, Verdicts } from './verdicts.ts'

/** Connections served at once; a further one is reset and counted. */
const MAX_EXCHANGES = 4_096

export type ProxyPorts = {
  complain(error: unknown): void
  /** Undefined = the node knows no services that anything could be copied to. */
  mirror(): Mirror | undefined
}

export class ProxyServer {
  readonly verdicts: Record<RelayVerdict, number> = {
    allowed: 0,
    passed: 0,
    denied: 0,
    limited: 0,
    refused: 0,
    dropped: 0,
  }
  readonly connections = { taken: 0, turnedAway: 0 }
  private readonly server: Server
  private readonly sockets = new Set<Socket>()
  private readonly steering: Steering
  private readonly rules: Verdicts
  private readonly complain: (error: unknown) => void
  private readonly mirror: ProxyPorts['mirror']

  constructor(steering: Steering, rules: Verdicts, ports: ProxyPorts) {
    this.steering = steering
    this.rules = rules
    this.complain = ports.complain
    this.mirror = ports.mirror
    const options = { allowHalfOpen: true, pauseOnConnect: true, noDelay: true }
    this.server = createServer(options, (client) => this.take(client))
  }

  /** Descriptor of the listening socket. */
  async listen(): Promise<number> {
    this.server.listen(0, '::')
    await once(this.server, 'listening')
    const { fd } = (this.server as unknown as { _handle: { fd: number } })._handle
    return fd
  }

  get open(): number {
    return this.sockets.size
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.resetAndDestroy()
    await new Promise((closed) => this.server.close(closed))
  }

  private take(client: Socket): void {
    client.on('error', () => client.destroy())
    try {
      const { localAddress, remoteAddress, localPort = 0, remotePort = 0 } = client
      if (localAddress === undefined || remoteAddress === undefined) {
        this.turnAway(client)
        return
      }
      const local = addressBytes(localAddress)
      const name = { local, remote: addressBytes(remoteAddress), localPort, remotePort }
      // Somebody who called the listener by its own port was not steered here.
      if (
        this.sockets.size >= MAX_EXCHANGES ||
        !this.steering.isSteered({ address: local, port: localPort })
      ) {
        this.turnAway(client)
        return
      }
      if (this.rules.context(name).kind === 'drop') {
        this.verdicts.dropped++
        this.turnAway(client)
        return
      }
      this.connections.taken++
      this.sockets.add(client)
      client.once('close', () => this.sockets.delete(client))
      this.connectOn(client, local, localPort, () => this.rules.context(name))
    } catch (error) {
      this.complain(error)
      client.resetAndDestroy()
    }
  }

  private turnAway(client: Socket): void {
    this.connections.turnedAway++
    client.resetAndDestroy()
  }

  /** Announced before its SYN, so that the kernel lets this one connection in. */
  private connectOn(client: Socket, local: Uint8Array, port: number, context: () => Context): void {
    const { socket: server, port: own } = boundSocket(local)
    const flow: Flow = { remote: local, local, remotePort: own, localPort: port }
    server.once('close', () => this.steering.withdraw(flow))
    const failed = () => client.resetAndDestroy()
    const gone = () => server.destroy()
    server.once('error', failed)
    client.once('close', gone)
    this.steering.announce(flow)
    server.connect({ host: addressText(local), port })
    server.once('connect', () => {
      server.off('error', failed)
      client.off('close', gone)
      server.setNoDelay(true)
      new Exchange({
        ...{ client, server, context },
        count: (verdict) => this.verdicts[verdict]++,
        copy: (wanted) => this.mirror()?.begin(wanted, { address: local }),
      })
      client.resume()
    })
  }
}
