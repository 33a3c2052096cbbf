/** The functions' host as its own process, with a compiler that needs no clang. */
import { parseArgs } from 'node:util'
import { startHost } from '../../infra/local/host.ts'
import { readHostConfig } from '../../infra/local/host-config.ts'
import { fakeCode, fakeCompiler } from './compiler.ts'

const { values } = parseArgs({ options: { config: { type: 'string' } } })
const file = values.config ?? ''
const host = await startHost(file, await readHostConfig(file), { compiler: fakeCompiler, code: fakeCode })
process.once('SIGTERM', () => {
  host.stop().then(
    () => process.exit(0),
    () => process.exit(1),
  )
})
