/** `node dist/agent/main.js --config FILE`: one process a node. */
import { systemTimer } from './adapters/system-timer.ts'
import { mkdir } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { holdNode, refuseToStart } from './adapters/directory-lock.ts'
import { createKernel } from './adapters/libbpf-kernel.ts'
import { openNode } from './compose.ts'
import { type NodeConfig, readConfig } from './config.ts'
import { runNode } from './run.ts'

const { values } = parseArgs({ options: { config: { type: 'string' } } })
if (values.config === undefined) {
  console.error('usage: node agent/main.js --config FILE')
  process.exit(2)
}

async function hold(config: NodeConfig): Promise<void> {
  await mkdir(config.stateDirectory, { recursive: true, mode: 0o700 })
  holdNode(config)
}

const config = await readConfig(values.config).catch(refuseToStart)
await hold(config).catch(refuseToStart)
const node = await openNode(config, createKernel(config), (line) => console.log(line))
const running = await runNode(node, systemTimer, {
  intervalMs: config.pollMs,
  jitter: config.jitter,
  beatMs: config.reportMs,
})
console.log(`agent of node ${config.node}, ring ${config.ring}: ready`)

/** Programs stay attached; a second signal does not wait for the pass that runs. */
const stop = (signal: string) => {
  console.log(`${signal}: stopping; programs stay attached`)
  process.once(signal, () => process.exit(1))
  void running.stop().then(() => process.exit(0))
}
process.once('SIGTERM', () => stop('SIGTERM'))
process.once('SIGINT', () => stop('SIGINT'))
