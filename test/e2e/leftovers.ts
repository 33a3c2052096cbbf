/** What a stack could have left on the machine, seen from outside. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { findCgroup2 } from '../../infra/local/cgroup.ts'

/** Everything of the stack in `dir` that is still there, in words. */
export function leftovers(dir: string, id: string): string[] {
  const namespaces = existsSync('/run/netns') ? readdirSync('/run/netns') : []
  const cgroups = readdirSync(findCgroup2() ?? '/sys/fs/cgroup')
  const mounts = readFileSync('/proc/self/mounts', 'utf8').split('\n')
  const pins = `/run/hdl-${id}`
  const left = [
    ...namespaces.filter((name) => name.startsWith(`hdl-${id}-`)).map((name) => `namespace ${name}`),
    ...cgroups.filter((name) => name === `hdl-${id}`).map((name) => `cgroup ${name}`),
    ...mounts
      .filter((line) => line.includes(` ${dir}/`) || line.includes(` ${pins}/`))
      .map((line) => `mount ${line}`),
    ...livingCommands()
      .filter((command) => command.includes(dir))
      .map((command) => `process ${command}`),
  ]
  for (const path of [dir, pins]) if (existsSync(path)) left.push(`directory ${path}`)
  return left
}

function livingCommands(): string[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
  return pids.flatMap((pid) => {
    try {
      return [readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim()]
    } catch {
      return []
    }
  })
}
