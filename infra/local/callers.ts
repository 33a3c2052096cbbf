/** A caller of a service, as a stack starts it in a node's cgroup, and what it says of each request. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { FRONT } from './fleet.ts'
import type { LocalNode } from './nodes.ts'
import { launch, type Running } from './process.ts'

const CALLER = fileURLToPath(new URL('./caller.js', import.meta.url))

/** `from`: the caller's own port, one for each connection; 0 = no response began. */
const Answer = z.strictObject({
  /** Milliseconds since the epoch. */
  sent: z.number(),
  at: z.number(),
  target: z.string(),
  from: z.int(),
  status: z.int().optional(),
  body: z.string().optional(),
  error: z.string().optional(),
})
export type Answer = z.infer<typeof Answer>

export type Caller = { running: Running; answers(): readonly Answer[] }

/** Asks the front service of the stack for each of the targets, again and again. */
export function startCaller(node: LocalNode, name: string, targets: readonly string[]): Caller {
  const log = join(node.dir, `${name}.jsonl`)
  const running = launch({
    name: `${name} of ${node.name}`,
    command: [process.execPath, CALLER, FRONT.address, String(FRONT.port), ...targets],
    cgroup: node.callerCgroup,
    namespace: node.host.namespace,
    log,
  })
  const answers: Answer[] = []
  /** Characters that are read. A line that is being written is none yet. */
  let read = 0
  return {
    running,
    answers() {
      const lines = readFileSync(log, 'latin1')
        .slice(read)
        .split(/(?<=\n)/)
      for (const line of lines.filter((each) => each.endsWith('\n'))) {
        answers.push(Answer.parse(JSON.parse(line)))
        read += line.length
      }
      return answers
    },
  }
}
