/**
 * One process of the stack: inside its cgroup before it runs a single
 * instruction of its own, inside its network namespace, logging to its file,
 * and ended by the kernel when this process ends, however this process ends.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

export type Launch = {
  name: string
  command: string[]
  cgroup: string
  /** Network namespace by name; the machine's own when absent. */
  namespace?: string
  log: string
  environment?: Record<string, string>
}

export type Running = {
  name: string
  pid: number
  /** Undefined while it runs. */
  ended(): string | undefined
  lastLines(count: number): string
  stop(signal?: NodeJS.Signals): Promise<void>
}

const STOP_GRACE_MS = 3_000

export function launch(what: Launch): Running {
  const log = openSync(what.log, 'a', 0o600)
  const enter = what.namespace === undefined ? [] : ['nsenter', `--net=/run/netns/${what.namespace}`]
  const argv = ['setpriv', '--pdeathsig', 'KILL', ...enter, ...what.command]
  const child = spawn('sh', ['-c', 'echo $$ > "$0/cgroup.procs" && exec "$@"', what.cgroup, ...argv], {
    stdio: ['ignore', log, log],
    env: { ...process.env, ...what.environment },
  })
  closeSync(log)
  let end: string | undefined
  child.once('error', (error) => {
    end = error.message
  })
  child.once('exit', (code, signal) => {
    end = signal === null ? `exit code ${code}` : `signal ${signal}`
  })
  return {
    name: what.name,
    pid: child.pid ?? -1,
    ended: () => end,
    lastLines: (count) => readFileSync(what.log, 'utf8').trimEnd().split('\n').slice(-count).join('\n'),
    stop: (signal = 'SIGTERM') => stopChild(child, signal, () => end !== undefined),
  }
}

async function stopChild(child: ChildProcess, signal: NodeJS.Signals, ended: () => boolean): Promise<void> {
  child.kill(signal)
  const deadline = Date.now() + STOP_GRACE_MS
  while (!ended()) {
    if (Date.now() > deadline) child.kill('SIGKILL')
    await sleep(5)
  }
}

/** Wait until `ready` says so; a process that ended, or the deadline, is an error with its last words. */
export async function untilReady(
  running: Running,
  ready: () => boolean | Promise<boolean>,
  withinMs = 10_000,
): Promise<void> {
  const deadline = Date.now() + withinMs
  while (!(await ready())) {
    const end = running.ended()
    if (end !== undefined) throw new Error(`${running.name} ended (${end}):\n${running.lastLines(10)}`)
    if (Date.now() > deadline)
      throw new Error(`${running.name} is not ready after ${withinMs} ms:\n${running.lastLines(10)}`)
    await sleep(10)
  }
}
