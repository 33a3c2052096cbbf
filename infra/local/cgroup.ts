/** cgroup v2 as the stack needs it: find the mount, make a group, end all that lives in one. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/** Killing a group of a few dozen processes takes milliseconds; past this something is wrong. */
const KILL_DEADLINE_MS = 5_000

/** Where cgroup v2 is mounted; it may be beside v1 (/sys/fs/cgroup/unified). */
export function findCgroup2(mounts = readFileSync('/proc/self/mounts', 'utf8')): string | undefined {
  for (const line of mounts.split('\n')) {
    const [, path, type] = line.split(' ')
    if (type === 'cgroup2') return path
  }
  return undefined
}

export function makeCgroup(path: string): string {
  mkdirSync(path, { recursive: true })
  return path
}

/** Kill every process in the group and below, then remove the groups. Acting twice is fine. */
export async function removeCgroup(path: string): Promise<void> {
  if (!existsSync(path)) return
  writeFileSync(join(path, 'cgroup.kill'), '1')
  const deadline = Date.now() + KILL_DEADLINE_MS
  while (/^populated 1$/m.test(readFileSync(join(path, 'cgroup.events'), 'utf8'))) {
    if (Date.now() > deadline) throw new Error(`processes in ${path} did not end`)
    await sleep(5)
  }
  removeTree(path)
}

function removeTree(path: string): void {
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    if (entry.isDirectory()) removeTree(join(path, entry.name))
  }
  rmdirSync(path)
}
