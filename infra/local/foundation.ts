/**
 * What a stack stands on: its directory, journal and janitor, its cgroup, its
 * network. Everything above it is a process inside these.
 */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { findCgroup2, makeCgroup } from './cgroup.ts'
import { type Journal, living, livingProcess, openJournal, ownerOf, undo } from './journal.ts'
import { hostOf, makeNetwork, type StackHost } from './network.ts'
import { perform } from './perform.ts'

const JANITOR_DEADLINE_MS = 20_000

export type Foundation = {
  dir: string
  /** Names this stack's namespaces and cgroup: a stack's directory is its identity. */
  id: string
  cgroup: string
  cloud: StackHost
  nodes: StackHost[]
  client: StackHost
  /** Mount a BPF file system for `name`; the result is its mount point. */
  mountBpffs(name: string): string
  /** Take everything down. Acting twice is fine. */
  down(): Promise<void>
}

/** The name of the stack in a directory: the same every time, so that a new one meets what an old one left. */
export function stackId(dir: string): string {
  return createHash('sha256').update(resolve(dir)).digest('hex').slice(0, 6)
}

export async function layFoundation(dirGiven: string, nodes: number): Promise<Foundation> {
  const dir = resolve(dirGiven)
  if (process.getuid?.() !== 0)
    throw new Error('namespaces, cgroups and BPF programs need root: run this as root')
  const owner = livingProcess(dir, 'owner')
  if (owner !== undefined)
    throw new Error(`a stack is up in ${dir} (process ${owner}): stop it first, or choose --dir`)
  await clearEarlier(dir)
  // The janitor comes before the first thing that it would have to clean up.
  const janitor = startJanitor(dir)
  const down = async () => {
    if (ownerOf(dir)?.pid === process.pid) await undo(dir)
    await janitor.release()
  }
  try {
    const journal = openJournal(dir)
    if (janitor.pid !== undefined) journal.record(living('janitor', janitor.pid))
    return build(dir, nodes, journal, down)
  } catch (error) {
    await down()
    throw error
  }
}

function build(dir: string, nodes: number, journal: Journal, down: () => Promise<void>): Foundation {
  const id = stackId(dir)
  for (const folder of ['log', 'nodes']) mkdirSync(join(dir, folder))
  const cgroup = join(findCgroup2() ?? mountCgroup2(journal, dir), `hdl-${id}`)
  journal.record({ kind: 'cgroup', path: cgroup })
  makeCgroup(cgroup)
  const cloud = hostOf(id, 'cloud', 1)
  const hosts = Array.from({ length: nodes }, (_, index) => hostOf(id, 'node', index + 1))
  const client = hostOf(id, 'client', 1)
  makeNetwork(journal, cloud, [...hosts, client])
  // Not below the stack's directory: libbpf turns every dot of a pin's path into an underscore.
  const pins = `/run/hdl-${id}`
  journal.record({ kind: 'directory', path: pins })
  const mountBpffs = (name: string) => {
    const path = join(pins, name)
    mkdirSync(path, { recursive: true })
    journal.record({ kind: 'mount', path })
    perform(['mount', '-t', 'bpf', 'bpf', path])
    return path
  }
  return { dir, id, cgroup, cloud, nodes: hosts, client, mountBpffs, down }
}

/** An earlier stack was killed: its janitor may still be at work, and two must not clean at once. */
async function clearEarlier(dir: string): Promise<void> {
  const deadline = Date.now() + JANITOR_DEADLINE_MS
  while (livingProcess(dir, 'janitor') !== undefined) {
    if (Date.now() > deadline) throw new Error(`the janitor of an earlier stack in ${dir} does not end`)
    await sleep(20)
  }
  await undo(dir)
}

function mountCgroup2(journal: Journal, dir: string): string {
  const path = join(dir, 'cgroup2')
  mkdirSync(path)
  journal.record({ kind: 'mount', path })
  perform(['mount', '-t', 'cgroup2', 'cgroup2', path])
  return path
}

/** Start the process that cleans up should this one be killed; `release` waits for its end. */
function startJanitor(dir: string): { pid: number | undefined; release: () => Promise<void> } {
  const script = fileURLToPath(new URL('./janitor.js', import.meta.url))
  const self = living('owner', process.pid)
  // Its own session: a Ctrl-C in the terminal is for the stack, not for its janitor.
  const janitor = spawn(process.execPath, [script, dir, String(self.pid), self.started], {
    stdio: ['pipe', 'ignore', 'inherit'],
    detached: true,
  })
  const ended = new Promise<void>((resolve) => janitor.once('exit', () => resolve()))
  const release = async () => {
    janitor.stdin.end()
    await ended
  }
  return { pid: janitor.pid, release }
}
