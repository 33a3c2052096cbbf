/** In a container image, because clang is larger than what a Lambda layer holds. */
import { clangCompiler } from '../../../functions/adapters/clang-compiler.ts'
import { compileHandler } from '../../../functions/compile/handler.ts'
import { ENVIRONMENT, need } from '../environment.ts'
import { openHere } from '../parts/here.ts'

const sources = need(process.env, ENVIRONMENT.sources)
const texts = need(process.env, ENVIRONMENT.texts)

export const handler = compileHandler({
  ...(await openHere(process.env)),
  compiler: clangCompiler(sources, texts),
})
