/** After 101: bytes both ways until both sides have ended (RFC 9110 7.8); a reset stays a reset. */
import type { Wire, WireOwner } from './wire.ts'

export class Tunnel {
  private readonly client: Wire
  private readonly upstream: Wire

  /** `early`: what the client had said behind its request. The other side's is with the client. */
  constructor(client: Wire, upstream: Wire, early: { up: Uint8Array; down: Uint8Array }) {
    this.client = client
    this.upstream = upstream
    upstream.owner = end(upstream, client)
    if (early.up.length > 0) upstream.write(early.up)
    if (early.down.length > 0) client.write(early.down)
    if (client.backlog === 0) upstream.resume()
    if (upstream.backlog === 0) client.resume()
    else client.pause()
  }

  bytes(chunk: Buffer): void {
    carry(this.client, this.upstream, chunk)
  }

  clientEnded(): void {
    this.upstream.end()
  }

  clientDrained(): void {
    this.upstream.resume()
  }

  clientGone(): void {
    this.upstream.breakOff()
  }
}

function carry(from: Wire, to: Wire, chunk: Buffer): void {
  to.write(chunk)
  if (to.backlog > 0) from.pause()
}

const end = (upstream: Wire, client: Wire): WireOwner => ({
  bytes: (chunk) => carry(upstream, client, chunk),
  ended: () => client.end(),
  drained: () => client.resume(),
  gone: () => client.breakOff(),
})
