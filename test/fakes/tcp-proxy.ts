/** A wire on loopback that somebody can cut: closed at once, or silent with both ends none the wiser. */
import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'

export class TcpProxy {
  readonly port: number
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #state: 'open' | 'silent' | 'closed' = 'open'

  private constructor(server: Server, port: number) {
    this.#server = server
    this.port = port
  }

  static async open(target: number): Promise<TcpProxy> {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const proxy = new TcpProxy(server, (server.address() as { port: number }).port)
    server.on('connection', (near) => proxy.#join(near, target))
    return proxy
  }

  get busy(): boolean {
    return this.#sockets.size > 0
  }

  cut(how: 'silent' | 'closed'): void {
    this.#state = how
    for (const socket of this.#sockets)
      if (how === 'closed') socket.destroy()
      else socket.pause()
  }

  /** What was silent goes on where it was. */
  heal(): void {
    this.#state = 'open'
    for (const socket of this.#sockets) socket.resume()
  }

  async close(): Promise<void> {
    this.cut('closed')
    this.#server.close()
    await once(this.#server, 'close')
  }

  #join(near: Socket, target: number): void {
    if (this.#state === 'closed') return void near.destroy()
    const far = connect(target, '127.0.0.1')
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(from)
      from.on('data', (bytes) => {
        to.write(bytes)
      })
      from.on('error', () => {})
      from.on('close', () => {
        this.#sockets.delete(from)
        to.destroy()
      })
      if (this.#state === 'silent') from.pause()
    }
  }
}
