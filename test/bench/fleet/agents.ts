/** The agents of a fleet, in a few processes. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { FromAgents, Read, Start, ToAgents } from './agents-child.ts'

const PROGRAM = fileURLToPath(new URL('./agents-child.js', import.meta.url))
/** Seconds that starting 2,500 agents may take on a busy machine. */
const ANSWER_MS = 600_000
const STOP_MS = 60_000

export type Agents = {
  pids: number[]
  /** More of them; resolves when each has enforced what its ring runs. */
  start(all: Start): Promise<void>
  /** What all have read since the last question. */
  read(): Promise<Read>
  stop(): Promise<void>
}

export function openAgents(processes: number): Agents {
  const children = Array.from({ length: processes }, () =>
    fork(PROGRAM, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] }),
  )
  return {
    pids: children.map(({ pid }) => pid as number),
    async start({ names, ...rest }) {
      const parts = children.map((_, at) => names.filter((_name, index) => index % processes === at))
      await Promise.all(
        children.map((child, at) => ask(child, { start: { names: parts[at] ?? [], ...rest } })),
      )
    },
    async read() {
      const said = await Promise.all(children.map((child) => ask(child, { count: true })))
      const parts = said.map((message) => ('read' in message ? message.read : { bytes: 0, gets: 0 }))
      return {
        bytes: parts.reduce((sum, { bytes }) => sum + bytes, 0),
        gets: parts.reduce((sum, { gets }) => sum + gets, 0),
      }
    },
    async stop() {
      await Promise.all(children.map(end))
    },
  }
}

async function ask(child: ChildProcess, question: ToAgents, patience = ANSWER_MS): Promise<FromAgents> {
  const answered = once(child, 'message', { signal: AbortSignal.timeout(patience) })
  child.send(question)
  const [message] = (await answered) as [FromAgents]
  if ('failed' in message) throw new Error(message.failed)
  return message
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = once(child, 'exit')
  await ask(child, { stop: true }, STOP_MS).catch(() => child.kill('SIGKILL'))
  await gone
}
