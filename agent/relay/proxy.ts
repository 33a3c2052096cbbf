/** The relay's listener: takes steered connections, connects on to the server that was meant. */
import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { addressBytes, addressText } from '../adapters/address-bytes.ts'
import { Exchange, type RelayVerdict } from './exchange.ts'
import type { Flow, Steering } from './steering.ts'
import type { Verdicts } from './verdicts.ts'

/** Connections served at once; a further one is reset and counted. */
const MAX_EXCHANGES = 4_096
/** Ports that own connections come from: below Linux' ephemeral range, so that the kernel picks none of them. */
const FIRST_PORT = 20_000
const PORTS = 12_000
/** Ports tried for one connection. */
const TRIES = 32

export class ProxyServer {
  readonly verdicts: Record<RelayVerdict, number> = {
    allowed: 0,
    passed: 0,
    denied: 0,
    refused: 0,
    dropped: 0,
  }
  readonly connections = { taken: 0, turnedAway: 0 }
  private readonly server: Server
  private readonly sockets = new Set<Socket>()
  private readonly steering: Steering
  private readonly rules: Verdicts
  private readonly complain: (error: unknown) => void
  private readonly ports = new Set<number>()
  private nextPort = Math.floor(Math.random() * PORTS)

  constructor(steering: Steering, rules: Verdicts, complain: (error: unknown) => void) {
    this.steering = steering
    this.rules = rules
    this.complain = complain
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

  /** There are more ports than connections: one is free. */
  private claimPort(): number {
    let own = FIRST_PORT + (this.nextPort++ % PORTS)
    while (this.ports.has(own)) own = FIRST_PORT + (this.nextPort++ % PORTS)
    this.ports.add(own)
    return own
  }

  private turnAway(client: Socket): void {
    this.connections.turnedAway++
    client.resetAndDestroy()
  }

  private connectOn(
    client: Socket,
    local: Uint8Array,
    port: number,
    context: () => ReturnType<Verdicts['context']>,
    tries = TRIES,
  ): void {
    const own = this.claimPort()
    const flow: Flow = { remote: local, local, remotePort: own, localPort: port }
    const address = addressText(local)
    this.steering.announce(flow)
    const options = { allowHalfOpen: true, noDelay: true }
    const server = connect({ ...options, host: address, port, localAddress: address, localPort: own })
    server.once('close', () => {
      this.steering.withdraw(flow)
      this.ports.delete(own)
    })
    const failed = (error: NodeJS.ErrnoException) => {
      const taken = error.code === 'EADDRINUSE' || error.code === 'EADDRNOTAVAIL'
      if (taken && tries > 0 && !client.destroyed) this.connectOn(client, local, port, context, tries - 1)
      else client.resetAndDestroy()
    }
    server.once('error', failed)
    const gone = () => server.destroy()
    client.once('close', gone)
    server.once('connect', () => {
      server.off('error', failed)
      client.off('close', gone)
      new Exchange({ client, server, context, count: (verdict) => this.verdicts[verdict]++ })
      client.resume()
    })
  }
}
