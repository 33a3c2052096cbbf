/**
 * One TCP connection as the slow path uses it: bytes counted from its start, and one
 * owner at a time, who is exchanged without a listener being added or removed.
 */
import { readSync } from 'node:fs'
import { Socket } from 'node:net'
import { resetOnClose } from './reset-on-close.ts'

export interface WireOwner {
  /** Of a dialled wire valid until the call returns; if that paused it, until it is resumed. */
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

/** Bytes that one read brings at most; the default of a socket that was accepted, too. */
const READ_BYTES = 65_536

/** Bytes that are read of a connection that broke under a write: an answer, not a download. */
const MAX_RESCUED_BYTES = 1_048_576

/** Where a wire is to lead. `source`: the address to call from. */
export type Dial = { address: string; port: number; source?: string }

export class Wire {
  owner: WireOwner
  /** Bytes, from the connection's start. */
  read = 0
  written = 0
  private readonly socket: Socket
  private paused = false

  /** `socket`: accepted with `WIRE_OPTIONS`. */
  constructor(socket: Socket, owner: WireOwner) {
    this.socket = socket
    this.owner = owner
    socket.on('data', (chunk: Buffer) => this.took(chunk))
    socket.on('end', () => this.owner.ended())
    socket.on('drain', () => this.owner.drained())
    // 'close' follows, and says it.
    socket.on('error', () => {})
    socket.on('close', () => this.owner.gone())
  }

  /** Calls; `connected` is its only word until it is there, or `gone` of the owner. */
  static dial({ address, port, source }: Dial, owner: WireOwner, connected: () => void): Wire {
    // Reads into one buffer again and again: two thirds of the CPU that a new one for each costs.
    const onread = {
      buffer: Buffer.allocUnsafeSlow(READ_BYTES),
      callback: (count: number, buffer: Uint8Array) => {
        wire.took(buffer.subarray(0, count) as Buffer)
        return true
      },
    }
    const socket = new DialledSocket({ ...WIRE_OPTIONS, onread } as object)
    socket.unread = (bytes) => wire.took(bytes)
    const wire = new Wire(socket, owner)
    const local = source === undefined ? {} : { localAddress: source }
    socket.connect({ host: address, port, noDelay: true, ...local }, connected)
    return wire
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

/**
 * A server that answers before it has read all, and closes, resets what is still written to it. Node
 * then closes at once, its answer unread: here what has come is read first.
 */
class DialledSocket extends Socket {
  unread: (bytes: Buffer) => void = () => {}

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    // An end of our own has no error.
    const handle = (this as unknown as { _handle: { fd: number } | null })._handle
    if (error && handle && handle.fd >= 0) this.rescue(handle.fd)
    super._destroy(error, callback)
  }

  private rescue(fd: number): void {
    try {
      for (let total = 0; total < MAX_RESCUED_BYTES; ) {
        const buffer = Buffer.allocUnsafeSlow(READ_BYTES)
        const count = readSync(fd, buffer)
        if (count === 0) return
        total += count
        this.unread(buffer.subarray(0, count))
      }
    } catch {
      // Nothing more to be read (EAGAIN), or its reset (ECONNRESET), which is told by `error`.
    }
  }
}

/** A high-water mark of 1: 'drain' follows every write that had to wait. */
export const WIRE_OPTIONS = { allowHalfOpen: true, noDelay: true, highWaterMark: 1 } as const
