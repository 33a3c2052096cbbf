/**
 * All functions in one process: `node dist/infra/local/functions-host.js --config FILE`.
 * SIGTERM ends it after the events in hand; kill -9 loses nothing.
 */
import { parseArgs } from 'node:util'
import { Failure } from '../../pipelines/contract/failures.ts'
import { checkoutCompiler } from '../trust/checkout-code.ts'
import { startHost } from './host.ts'
import { readHostConfig } from './host-config.ts'

const { values } = parseArgs({ options: { config: { type: 'string' } } })
if (values.config === undefined) {
  console.error('usage: functions-host --config FILE')
  process.exit(2)
}
const config = await readHostConfig(values.config).catch((error: unknown) => {
  if (!(error instanceof Failure)) throw error
  console.error([`${error.code}: ${error.message}`, ...error.detail].join('\n  '))
  process.exit(2)
})
const starting = startHost(config, checkoutCompiler())

let ending = false
for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  // Before it says that it is up: whoever reads its port may end it at once.
  process.on(signal, () => {
    if (ending) return
    ending = true
    const stopped = starting.then((host) => host.stop())
    stopped.then(
      () => process.exit(0),
      (error: Error) => {
        console.error(error.message)
        process.exit(1)
      },
    )
  })
}
await starting
