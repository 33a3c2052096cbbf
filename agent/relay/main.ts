/** `node dist/agent/relay/main.js --config FILE`: one process a node, inside the node's network namespace. */
import { mkdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { holdDirectory, refuseToStart } from '../adapters/directory-lock.ts'
import { readRelayConfig } from './config.ts'
import { inheritedListeners } from './inherited-listeners.ts'
import { measureKernel } from './probe.ts'
import { Relay } from './relay.ts'

const { values } = parseArgs({ options: { config: { type: 'string' }, probe: { type: 'string' } } })
if (values.probe !== undefined) {
  // A child of a relay: it was put into the managed cgroup to look at a socket there.
  console.log(JSON.stringify(await measureKernel(values.probe)))
  process.exit(0)
}
if (values.config === undefined) {
  console.error('usage: node agent/relay/main.js --config FILE')
  process.exit(2)
}

const config = await readRelayConfig(values.config).catch(refuseToStart)
try {
  // The agent pins below it, perhaps later than this.
  mkdirSync(config.bpffs, { recursive: true })
  holdDirectory(config.bpffs, 'relay', 'bpffs directory')
} catch (error) {
  refuseToStart(error)
}
const relay = new Relay(config, fileURLToPath(import.meta.url), inheritedListeners(process.env, process.pid))
await relay.start()
console.log(`relay of node ${config.node}: ready`)

/** A second signal does not wait. */
const stop = (signal: NodeJS.Signals) => {
  process.once(signal, () => process.exit(1))
  void relay.stop()
}
process.once('SIGTERM', stop)
process.once('SIGINT', stop)
