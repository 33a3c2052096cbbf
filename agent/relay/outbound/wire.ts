/**
 * One TCP connection as the slow path uses it: bytes counted from its start, and one
 * owner at a time, who is exchanged without a listener being added or removed.
 */
import type { Socket } from 'node:net'
import { resetOnClose } from './reset-on-close.ts'

export interface WireOwner {
  /** Valid until the call returns; if that paused the wire, until it is resumed. */
  bytes(chunk: Buffer): void
  /** The other side has said all that it will say. */
  ended(): void
  /** All that was written is with the kernel; only said where `backlog` was not 0. */
  drained(): void
  /** Nothing more comes or goes; the last call. */
  gone(): void
}

/** Of a wire that is given up. */
export const NOBODY: WireOwner = { bytes() {}, ended() {}, drained() {}, gone() {} }

/** A high-water mark of 1: 'drain' follows every write that had to wait. */
export const WIRE_OPTIONS = { allowHalfOpen: true, noDelay: true, highWaterMark: 1 } as const

/** A socket that hands its bytes over by itself (see `ReusingSocket`), or any other. */
type Source = Socket | (Socket & { taker(bytes: Buffer): void })

export class Wire {
  owner: WireOwner
  /** Bytes, from the connection's start. */
  read = 0
  written = 0
  private readonly socket: Socket
  private paused = false

  /** `socket`: made with `WIRE_OPTIONS`. */
  constructor(socket: Source, owner: WireOwner) {
    this.socket = socket
    this.owner = owner
    if ('taker' in socket) socket.taker = (chunk) => this.took(chunk)
    else socket.on('data', (chunk: Buffer) => this.took(chunk))
    socket.on('end', () => this.owner.ended())
    socket.on('drain', () => this.owner.drained())
    // 'close' follows, and says it.
    socket.on('error', () => {})
    socket.on('close', () => this.owner.gone())
  }

  /** Bytes written that the kernel has not taken. */
  get backlog(): number {
    return this.socket.writableLength
  }

  get open(): boolean {
    return !this.socket.destroyed
  }

  write(bytes: Uint8Array): void {
    this.written += bytes.length
    this.socket.write(bytes)
  }

  /** They leave together. */
  writeAll(parts: readonly Uint8Array[]): void {
    const [first] = parts
    if (first && parts.length === 1) this.write(first)
    else
      this.together(() => {
        for (const bytes of parts) this.write(bytes)
      })
  }

  /** What is written in `act` leaves in one piece. */
  together(act: () => void): void {
    this.socket.cork()
    try {
      act()
    } finally {
      this.socket.uncork()
    }
  }

  /** Reads no further; one read that is under way may still be told when it is resumed. */
  pause(): void {
    if (this.paused) return
    this.paused = true
    this.socket.pause()
  }

  resume(): void {
    if (!this.paused) return
    this.paused = false
    this.socket.resume()
  }

  /** Says that no more is said, behind what was written. */
  end(): void {
    this.socket.end()
  }

  destroy(): void {
    this.socket.destroy()
  }

  /** Breaks it: the other side can't take it for an end. */
  reset(): void {
    if (this.socket.destroyed) return
    resetOnClose(this.socket)
    this.socket.destroy()
  }

  /** The other wire of a pair is gone: what was said to its end is still delivered, the rest is broken off. */
  breakOff(): void {
    if (this.socket.writableEnded) this.socket.destroySoon()
    else this.reset()
  }

  private took(chunk: Buffer): void {
    this.read += chunk.length
    this.owner.bytes(chunk)
  }
}
