/** `node dist/agent/main.js --config FILE`: one process a node. */
import { parseArgs } from 'node:util'
import { createKernel } from './adapters/libbpf-kernel.ts'
import { openNode } from './compose.ts'
import { readConfig } from './config.ts'
import type { Timer } from './loop.ts'
import { runNode } from './run.ts'
import { Failure } from '../pipelines/contract/failures.ts'

const { values } = parseArgs({ options: { config: { type: 'string' } } })
if (values.config === undefined) {
  console.error('usage: node agent/main.js --config FILE')
  process.exit(2)
}

const timer: Timer = {
  after(milliseconds, call) {
    const handle = setTimeout(call, milliseconds)
    return () => clearTimeout(handle)
  },
  elapsed: () => performance.now(),
  random: Math.random,
}

const config = await readConfig(values.config).catch((error: unknown): never => {
  if (!(error instanceof Failure)) throw error
  console.error([`${error.code}: ${error.message}`, ...error.detail].join('\n  '))
  process.exit(2)
})
const node = await openNode(config, createKernel(config), (line) => console.log(line))
const running = await runNode(node, timer, { intervalMs: config.pollMs, jitter: config.jitter })
console.log(`agent of node ${config.node}, ring ${config.ring}: ready`)

/** Programs stay attached; a second signal does not wait for the pass that runs. */
const stop = (signal: string) => {
  console.log(`${signal}: stopping; programs stay attached`)
  process.once(signal, () => process.exit(1))
  void running.stop().then(() => process.exit(0))
}
process.once('SIGTERM', () => stop('SIGTERM'))
process.once('SIGINT', () => stop('SIGINT'))
