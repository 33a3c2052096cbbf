/** The functions' host as its own process, with a compiler that needs no clang and waits while a file is there. */
import { existsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import type { Compiler } from '../../functions/ports.ts'
import { startHost } from '../../infra/local/host.ts'
import { readHostConfig } from '../../infra/local/host-config.ts'
import { fakeCompiler } from './compiler.ts'

const { values } = parseArgs({ options: { config: { type: 'string' }, hold: { type: 'string' } } })
const { config: file = '', hold = '' } = values

const compiler: Compiler = {
  async compile(set) {
    while (existsSync(hold)) await sleep(10)
    return fakeCompiler.compile(set)
  },
}
const starting = startHost(await readHostConfig(file), compiler)
// Not once(): execa ends a process at a signal that nobody listens to any more.
process.on('SIGTERM', () => {
  const stopped = starting.then((host) => host.stop())
  stopped.then(
    () => process.exit(0),
    () => process.exit(1),
  )
})
await starting
