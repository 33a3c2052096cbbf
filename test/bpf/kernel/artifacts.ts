/**
 * Artifacts for kernel tests. Program text comes from the real compiler, once a
 * variant and checkout (dist/programs keeps it); policies put their tables into its
 * section, which gives the same bytes in a millisecond (artifacts.test.ts proves that).
 */
import { capacityFor, variantName } from '../../../functions/compile/variants.ts'
import { checkoutCompiler } from '../../../infra/trust/checkout-code.ts'
import type { Block } from '../../../pipelines/contract/artifact.ts'
import { tablesOf } from '../../../pipelines/contract/code-digest.ts'
import type { PolicySet } from '../../../pipelines/policy/model.ts'
import { buildTables, type Tables } from '../../../pipelines/tables/build-tables.ts'

const compiler = checkoutCompiler()
const texts = new Map<string, Uint8Array>()

export type TestArtifact = Pick<Tables, 'services' | 'routes' | 'breakers'> & {
  elf: Uint8Array
  blocks: Block[]
}

export function dispatcherElf(): Promise<Uint8Array> {
  return compiler.dispatcher()
}

/** Throws Failure('limit-exceeded') as the compiler does. */
export async function compileSet(set: PolicySet): Promise<TestArtifact> {
  const result = buildTables(set)
  if (!result.ok) throw result.failures[0]
  const { blob, words, blocks, services, routes, breakers } = result.tables
  const variant = variantName(capacityFor(words))
  const text = texts.get(variant) ?? (await compiler.compile(set)).elf
  texts.set(variant, text)
  return { elf: withTables(text, blob), blocks: [...blocks], services, routes, breakers }
}

/** The program text of the smallest variant, around tables that no compiler made. */
export async function elfAround(blob: Uint8Array): Promise<Uint8Array> {
  const { elf } = await compiler.compile({ policies: [], routes: [] })
  return withTables(elf, blob)
}

function withTables(text: Uint8Array, blob: Uint8Array): Uint8Array {
  const elf = Uint8Array.from(text)
  const tables = tablesOf(elf)
  tables.fill(0)
  tables.set(blob)
  return elf
}
