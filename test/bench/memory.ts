/** Resident memory, in MB. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Of all processes of a cgroup and below. */
export function residentMegabytes(cgroup: string): number {
  const folders = readdirSync(cgroup, { recursive: true, withFileTypes: true, encoding: 'utf8' })
  const below = folders
    .filter((entry) => entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name))
  const pids = [cgroup, ...below].flatMap((folder) =>
    readFileSync(join(folder, 'cgroup.procs'), 'utf8').split('\n').filter(Boolean),
  )
  return pids.reduce((sum, pid) => sum + residentMegabytesOf(Number(pid)), 0)
}

export function residentMegabytesOf(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) / 1024
}
