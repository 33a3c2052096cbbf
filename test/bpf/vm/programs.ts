/** The dispatcher and hand-made generations as ELF files: the compiler's program text around hand-made tables. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { dispatcherElf, elfAround } from '../kernel/artifacts.ts'
import { type HandPolicy, handTables } from './hand-tables.ts'

/** log2 of words: 64 KB, the smallest variant, far more than a hand-made policy needs. */
const CAPACITY_LOG2 = 14

/** `public.o` allows GET below /public, `other.o` below /other instead. */
export const POLICIES: Record<string, HandPolicy> = {
  public: { methods: ['GET', 'HEAD', 'POST'], prefixes: ['/public'] },
  other: { methods: ['GET', 'HEAD', 'POST'], prefixes: ['/other'] },
}

/** Writes dispatcher.o, another one with the same programs (next.o), and one ELF a policy into `directory`. */
export async function buildPrograms(directory: string): Promise<void> {
  const dispatcher = await dispatcherElf()
  await writeFile(join(directory, 'dispatcher.o'), dispatcher)
  // What stands behind the end of an ELF is nobody's, and makes another file of it.
  await writeFile(join(directory, 'next.o'), Buffer.concat([dispatcher, Buffer.from('next')]))
  for (const [name, policy] of Object.entries(POLICIES))
    await writeFile(join(directory, `${name}.o`), await elfAround(handTables(policy, CAPACITY_LOG2)))
}
