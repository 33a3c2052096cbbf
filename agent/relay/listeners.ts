/** What the listening sockets of managed workloads are like: asked of /proc, remembered by inode. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { addressKey } from './managed.ts'
import type { DiagSocket } from './sock-diag.ts'

/** A listener at one address (16 bytes, network order; all zero = every address). */
export type Listener = { address: Uint8Array; port: number; blocking: boolean | null }

const O_NONBLOCK = 0o4000
/** Descriptors that are looked at for one answer; a server beyond it stays unknown. */
const MAX_DESCRIPTORS = 262_144

export class Listeners {
  private known = new Map<number, boolean | null>()

  /** `listening` = the managed ones; `cgroup` = where their processes live. */
  describe(listening: readonly DiagSocket[], cgroup: string): Listener[] {
    const fresh = listening.map(({ inode }) => inode).filter((inode) => this.known.get(inode) === undefined)
    const seen = fresh.length > 0 ? blockingByInode(cgroup, new Set(fresh)) : new Map<number, boolean>()
    const now = new Map<number, boolean | null>()
    for (const { inode } of listening) now.set(inode, this.known.get(inode) ?? seen.get(inode) ?? null)
    this.known = new Map([...now].filter(([, blocking]) => blocking !== null))
    return listening.map((socket) => ({
      address: socket.local,
      port: socket.localPort,
      blocking: now.get(socket.inode) ?? null,
    }))
  }
}

/** Does a listener at `listener` take connections to `address`? */
export function listensAt(listener: Listener, address: Uint8Array): boolean {
  const any = addressKey(listener.address).replace(/^0{20}ffff/, '')
  return /^0+$/.test(any) || addressKey(listener.address) === addressKey(address)
}

function blockingByInode(cgroup: string, wanted: Set<number>): Map<number, boolean> {
  const found = new Map<number, boolean>()
  let looked = 0
  for (const pid of processes(cgroup))
    for (const fd of entries(`/proc/${pid}/fd`)) {
      if (++looked > MAX_DESCRIPTORS || found.size === wanted.size) return found
      const inode = Number(/^socket:\[(\d+)\]$/.exec(linkOf(`/proc/${pid}/fd/${fd}`))?.[1])
      if (!wanted.has(inode) || found.has(inode)) continue
      const flags = /^flags:\s*([0-7]+)$/m.exec(textOf(`/proc/${pid}/fdinfo/${fd}`))?.[1]
      if (flags !== undefined) found.set(inode, (Number.parseInt(flags, 8) & O_NONBLOCK) === 0)
    }
  return found
}

function* processes(cgroup: string): Generator<string> {
  yield* textOf(join(cgroup, 'cgroup.procs'))
    .split('\n')
    .filter((pid) => pid !== '' && pid !== '0')
  for (const entry of entries(cgroup)) if (!entry.includes('.')) yield* processes(join(cgroup, entry))
}

/** What ended meanwhile has nothing to tell. */
function entries(path: string): string[] {
  try {
    return readdirSync(path)
  } catch {
    return []
  }
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path)
  } catch {
    return ''
  }
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
