/** The program code of this checkout: what the code key signs, and the compiler that uses the very same. */
import { fileURLToPath } from 'node:url'
import { type ClangCompiler, clangCompiler } from '../../functions/adapters/clang-compiler.ts'
import { encode } from '../../functions/trust/metadata.ts'
import type { Target } from '../../functions/trust/repository.ts'
import { codeTarget, DISPATCHER_TARGET } from '../../pipelines/contract/object-keys.ts'

/** The checkout: bpf/ beside dist/. */
const SOURCES = fileURLToPath(new URL('../../..', import.meta.url))
/** Compiled output like the rest of dist/, whose owner decides anyway what is run from there. */
const TEXTS = fileURLToPath(new URL('../../programs', import.meta.url))

export const checkoutCompiler = (): ClangCompiler => clangCompiler(SOURCES, TEXTS)

/** Builds everything anew: what an auditor rebuilds must not come from a file that was kept. */
export const cleanCompiler = (): ClangCompiler => clangCompiler(SOURCES)

/** Digests of every variant, and the dispatcher's bytes: anyone who builds the checkout gets the same. */
export async function checkoutCode(compiler = checkoutCompiler()): Promise<Target[]> {
  const [variants, dispatcher] = await Promise.all([compiler.variants(), compiler.dispatcher()])
  const targets: Target[] = variants.map(({ variant, digest }) => ({
    path: codeTarget(variant),
    bytes: encode({ variant, digest }),
  }))
  return [...targets, { path: DISPATCHER_TARGET, bytes: dispatcher }]
}
