/** A real agent in its own process, and its journal. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const AGENT = fileURLToPath(new URL('../../agent/main.js', import.meta.url))

export type AgentProcess = {
  /** Resolves when a line of the journal says so; rejects when the agent ends before. */
  says(text: string): Promise<void>
  /** Acting twice is fine. */
  end(signal: NodeJS.Signals): Promise<void>
}

export function startAgent(config: string): AgentProcess {
  const agent = spawn(process.execPath, [AGENT, '--config', config], { stdio: ['ignore', 'pipe', 'inherit'] })
  const lines: string[] = []
  let look = () => {}
  const journal = createInterface({ input: agent.stdout })
  journal.on('line', (line) => {
    lines.push(line)
    look()
  })
  journal.on('close', () => look())
  return {
    async says(text) {
      while (!lines.some((line) => line.includes(text))) {
        if (agent.exitCode !== null) throw new Error(`the agent ended:\n${lines.join('\n')}`)
        await new Promise<void>((resolve) => {
          look = resolve
        })
      }
    },
    async end(signal) {
      if (agent.exitCode !== null || agent.signalCode !== null) return
      agent.kill(signal)
      await once(agent, 'exit')
    },
  }
}
