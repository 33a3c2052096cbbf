/**
 * A ring buffer of the kernel's programs, through libbpf. One thread of libuv's pool sleeps in
 * poll() until the kernel has written: nothing runs while nothing happens.
 */
import koffi from 'koffi'
import { promisify } from 'node:util'
import { BpfError } from '../adapters/bpf-error.ts'
import { BpfMap, u64 } from '../adapters/libbpf.ts'

const libbpf = koffi.load('libbpf.so.1')
const libc = koffi.load('libc.so.6')
const Sample = koffi.proto('int HeddleSample(void *context, void *data, size_t size)')
const ringNew = libbpf.func('ring_buffer__new', 'void *', ['int', koffi.pointer(Sample), 'void *', 'void *'])
const ringFree = libbpf.func('void ring_buffer__free(void *ring)')
const ringConsume = libbpf.func('int ring_buffer__consume(void *ring)')
const ringEpollFd = libbpf.func('int ring_buffer__epoll_fd(void *ring)')
const eventfd = libc.func('int eventfd(unsigned int initial, int flags)')
const write = libc.func('intptr_t write(int fd, const void *bytes, size_t length)')
const closeFd = libc.func('int close(int fd)')
const poll = libc.func('int poll(_Inout_ void *fds, unsigned long count, int timeout)')
const pollAsync = promisify(poll.async) as (fds: Buffer, count: number, timeout: number) => Promise<number>

const EFD_CLOEXEC = 0o2000000
const EAGAIN = 11
/** Records that are taken before others have their turn of the event loop. */
const TURN_RECORDS = 64
const POLLIN = 1
/** struct pollfd: descriptor, events, revents. */
const POLLFD_BYTES = 8

export class EventRing {
  private readonly map: BpfMap
  private readonly ring: unknown
  private readonly callback: bigint
  private readonly wake: number
  private readonly running: Promise<void>
  private closing = false
  private taken = 0

  /** `take` gets a copy of each record; `drained` is called when none is left. */
  constructor(path: string, take: (record: Buffer) => void, drained: () => void) {
    this.map = BpfMap.pinned(path)
    this.callback = koffi.register((_context: unknown, data: unknown, size: number | bigint) => {
      take(Buffer.from(new Uint8Array(koffi.view(data, Number(size)))))
      return ++this.taken % TURN_RECORDS === 0 ? -EAGAIN : 0
    }, koffi.pointer(Sample))
    this.ring = ringNew(this.map.fd, this.callback, null, null)
    if (this.ring === null) throw new BpfError('ring_buffer__new', koffi.errno())
    this.wake = eventfd(0, EFD_CLOEXEC) as number
    if (this.wake < 0) throw new BpfError('eventfd', koffi.errno())
    this.running = this.run(drained)
  }

  /** Reads what is there now, up to a turn's worth; false = there may be more. */
  consume(): boolean {
    // libbpf stops behind the record whose callback says so (ringbuf_process_ring).
    const result = ringConsume(this.ring) as number
    if (result < 0 && result !== -EAGAIN) throw new BpfError('ring_buffer__consume', -result)
    return result >= 0
  }

  /** Resolves when nothing of it runs any more. */
  async close(): Promise<void> {
    this.closing = true
    write(this.wake, u64(1), 8)
    await this.running
    ringFree(this.ring)
    koffi.unregister(this.callback)
    closeFd(this.wake)
    this.map.close()
  }

  private async run(drained: () => void): Promise<void> {
    const fds = Buffer.alloc(2 * POLLFD_BYTES)
    for (const [i, fd] of [ringEpollFd(this.ring) as number, this.wake].entries()) {
      fds.writeInt32LE(fd, i * POLLFD_BYTES)
      fds.writeInt16LE(POLLIN, i * POLLFD_BYTES + 4)
    }
    while (!this.closing) {
      await pollAsync(fds, 2, -1)
      if (this.closing) return
      while (!this.closing && !this.consume()) await new Promise((next) => setImmediate(next))
      if (this.closing) return
      drained()
    }
  }
}
