/**
 * All functions in one process: `node dist/infra/local/functions-host.js --config FILE`.
 * SIGTERM ends it after the events in hand; kill -9 loses nothing.
 */
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { type ClangCompiler, clangCompiler } from '../../functions/adapters/clang-compiler.ts'
import { encode } from '../../functions/trust/metadata.ts'
import type { Target } from '../../functions/trust/repository.ts'
import { codeTarget, DISPATCHER_TARGET } from '../../pipelines/contract/object-keys.ts'
import { startHost } from './host.ts'
import { readHostConfig } from './host-config.ts'

/** The checkout: bpf/ beside dist/. */
const SOURCES = fileURLToPath(new URL('../../..', import.meta.url))
/** Compiled output like the rest of dist/, whose owner decides anyway what this host runs. */
const TEXTS = fileURLToPath(new URL('../../programs', import.meta.url))

/** In development the code key signs whatever this checkout builds. */
async function codeOf(compiler: ClangCompiler): Promise<Target[]> {
  const [variants, dispatcher] = await Promise.all([compiler.variants(), compiler.dispatcher()])
  const targets: Target[] = variants.map(({ variant, digest }) => ({
    path: codeTarget(variant),
    bytes: encode({ variant, digest }),
  }))
  return [...targets, { path: DISPATCHER_TARGET, bytes: dispatcher }]
}

const { values } = parseArgs({ options: { config: { type: 'string' } } })
if (values.config === undefined) {
  console.error('usage: functions-host --config FILE')
  process.exit(2)
}
const config = await readHostConfig(values.config)
const compiler = clangCompiler(SOURCES, TEXTS)
const host = await startHost(config, { compiler, code: await codeOf(compiler) })

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
