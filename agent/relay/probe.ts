/**
 * What this kernel does with a socket that carries a verdict: measured on a pair
 * of our own on loopback, by a child inside the managed cgroup. The pair is named in
 * the map `relayed`, so that it is enrolled like any other and no policy speaks of
 * it. An answer of null = it could not be measured.
 */
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import koffi from 'koffi'
import { z } from 'zod'
import { Relayed } from '../../bpf/abi/heddle.gen.ts'
import { addressBytes } from '../adapters/address-bytes.ts'
import { BpfMap, u32 } from '../adapters/libbpf.ts'
import { Pins } from '../adapters/pins.ts'
import { boundSocket } from './bound-socket.ts'
import { flowKey } from './steering.ts'

/** On loopback, and most likely nobody else's. */
const ADDRESS = '127.77.0.1'
const BYTES = Buffer.from('heddle')
const FIONREAD = 0x541b
const SPLICE_F_NONBLOCK = 2
/** Looks at a socket, and milliseconds between them, before "nothing came" is an answer. */
const LOOKS = 20
const LOOK_MS = 10
/** Milliseconds that a child may take; Node alone needs some hundred on a busy machine. */
const CHILD_MS = 10_000

export const KernelFacts = z.strictObject({
  /** FIONREAD counts bytes that came by wire; servers size their reads by it. */
  countsQueued: z.boolean().nullable(),
  /** splice() sees them: haproxy and TCP-to-TCP copies use it. */
  splices: z.boolean().nullable(),
})
export type KernelFacts = z.infer<typeof KernelFacts>

export const UNKNOWN_KERNEL: KernelFacts = { countsQueued: null, splices: null }

/** Runs the measurement in a child that joins `cgroup` before it opens a socket. Never throws. */
export function probeKernel(cgroup: string, bpffs: string, main: string): Promise<KernelFacts> {
  const script = 'echo $$ > "$0/cgroup.procs" && exec "$@"'
  const argv = ['-c', script, cgroup, process.execPath, main, '--probe', bpffs]
  return new Promise((resolve) => {
    execFile('sh', argv, { timeout: CHILD_MS, killSignal: 'SIGKILL' }, (error, stdout) =>
      resolve(error ? UNKNOWN_KERNEL : factsOf(stdout)),
    )
  })
}

function factsOf(text: string): KernelFacts {
  try {
    return KernelFacts.parse(JSON.parse(text))
  } catch {
    return UNKNOWN_KERNEL
  }
}

/** The measurement itself, in the child. */
export async function measureKernel(bpffs: string): Promise<KernelFacts> {
  const server = createServer({ pauseOnConnect: true }).listen(0, ADDRESS)
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const address = addressBytes(ADDRESS)
  const { socket: client, port: clientPort } = boundSocket(address)
  const flow = flowKey({ remote: address, local: address, remotePort: clientPort, localPort: port })
  const relayed = BpfMap.pinned(new Pins(bpffs).map('relayed'))
  relayed.update(flow, u32(Relayed.RELAYED_PROBE))
  client.connect({ host: ADDRESS, port })
  const [accepted] = (await once(server, 'connection')) as [Socket]
  client.write(BYTES)
  const { fd } = (accepted as unknown as { _handle: { fd: number } })._handle
  const countsQueued = await soon(() => queued(fd) === BYTES.length)
  const splices = await soon(() => spliced(fd) > 0)
  relayed.delete(flow)
  relayed.close()
  client.destroy()
  accepted.destroy()
  server.close()
  return { countsQueued, splices }
}

async function soon(holds: () => boolean): Promise<boolean> {
  for (let i = 0; i < LOOKS; i++) {
    if (holds()) return true
    await sleep(LOOK_MS)
  }
  return false
}

const libc = koffi.load('libc.so.6')
const ioctl = libc.func('int ioctl(int fd, unsigned long request, _Out_ int *value)')
const pipe = libc.func('int pipe(_Out_ int *ends)')
const splice = libc.func(
  'intptr_t splice(int from, void *a, int to, void *b, size_t bytes, unsigned int flags)',
)

function queued(fd: number): number {
  const value = Buffer.alloc(4)
  return (ioctl(fd, FIONREAD, value) as number) < 0 ? -1 : value.readInt32LE()
}

/** The child ends soon, and the pipe with it. */
function spliced(fd: number): number {
  const ends = Buffer.alloc(8)
  if ((pipe(ends) as number) < 0) return -1
  return Number(splice(fd, null, ends.readInt32LE(4), null, BYTES.length, SPLICE_F_NONBLOCK))
}
