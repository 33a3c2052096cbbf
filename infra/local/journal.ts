/**
 * What a stack has made on this machine, written down before it is made.
 *
 * Whoever finds the journal can take everything down again and nothing else:
 * the stack's own end, its janitor after a kill -9, or the next start. Every
 * process lives in the stack's cgroup, so the kernel itself knows them all and
 * no process id has to be trusted.
 */
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { execa } from 'execa'
import { z } from 'zod'
import { removeCgroup } from './cgroup.ts'

const Made = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('owner'), pid: z.int(), started: z.string() }),
  z.strictObject({ kind: z.literal('janitor'), pid: z.int(), started: z.string() }),
  z.strictObject({ kind: z.literal('netns'), name: z.string().startsWith('hdl-') }),
  z.strictObject({ kind: z.literal('cgroup'), path: z.string() }),
  z.strictObject({ kind: z.literal('mount'), path: z.string() }),
  z.strictObject({ kind: z.literal('directory'), path: z.string().startsWith('/run/hdl-') }),
])
export type Made = z.infer<typeof Made>

const FILE = 'journal.jsonl'

/** Kernel's start time of a process (clock ticks since boot), or undefined when it is gone or a zombie. */
function processStart(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // Fields 3 (state) and 22 (start); the command name before them may hold spaces and brackets.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19]
  } catch {
    return undefined
  }
}

/** Everything recorded in `dir`; a torn last line (killed in mid-write) made nothing yet. */
export function readJournal(dir: string): Made[] {
  if (!existsSync(join(dir, FILE))) return []
  const lines = readFileSync(join(dir, FILE), 'utf8').split('\n')
  const complete = lines.slice(0, -1)
  return complete.map((line) => Made.parse(JSON.parse(line)))
}

/** Who made the stack in `dir`, alive or not. */
export function ownerOf(dir: string): { pid: number; started: string } | undefined {
  return readJournal(dir).find((made) => made.kind === 'owner')
}

/** The process that keeps the stack in `dir` up, or the one that cleans up after it, when it is alive. */
export function livingProcess(dir: string, kind: 'owner' | 'janitor'): number | undefined {
  for (const made of readJournal(dir)) {
    if (made.kind === kind && processStart(made.pid) === made.started) return made.pid
  }
  return undefined
}

export type Journal = { record(made: Made): void }

/**
 * Start the journal of a stack. `dir` is new, empty, or an earlier stack's:
 * anything else is somebody's data and is refused.
 */
export function openJournal(dir: string): Journal {
  mkdirSync(dir, { recursive: true, mode: 0o755 })
  if (readdirSync(dir).length > 0)
    throw new Error(`${dir} is not empty and not a stack of ours: choose another --dir`)
  const fd = openSync(join(dir, FILE), 'a', 0o600)
  const record = (made: Made) => {
    writeSync(fd, `${JSON.stringify(made)}\n`)
    fsyncSync(fd)
  }
  process.once('exit', () => closeSync(fd))
  record(living('owner', process.pid))
  return { record }
}

export function living(kind: 'owner' | 'janitor', pid: number): Extract<Made, { kind: 'owner' | 'janitor' }> {
  return { kind, pid, started: processStart(pid) ?? '' }
}

/** Take down all that the journal in `dir` names, last made first, and then `dir` itself. */
export async function undo(dir: string): Promise<void> {
  if (!existsSync(join(dir, FILE))) return
  const made = readJournal(dir).reverse()
  // Processes first: they hold mounts and namespaces open.
  for (const each of made) if (each.kind === 'cgroup') await removeCgroup(each.path)
  for (const each of made) {
    if (each.kind === 'mount') await unmount(each.path)
    if (each.kind === 'netns') await deleteNamespace(each.name)
    if (each.kind === 'directory') rmSync(each.path, { recursive: true, force: true })
  }
  rmSync(dir, { recursive: true, force: true })
}

async function unmount(path: string): Promise<void> {
  const mounted = () => readFileSync('/proc/self/mounts', 'utf8').includes(` ${path} `)
  if (mounted()) await execa('umount', [path])
}

async function deleteNamespace(name: string): Promise<void> {
  if (existsSync(`/run/netns/${name}`)) await execa('ip', ['netns', 'del', name])
}
