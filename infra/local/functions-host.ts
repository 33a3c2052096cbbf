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
const host = await startHost(config, checkoutCompiler())

let ending = false
for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.on(signal, () => {
    if (ending) return
    ending = true
    host.stop().then(
      () => process.exit(0),
      (error: Error) => {
        console.error(error.message)
        process.exit(1)
      },
    )
  })
}
