/** Digests of a program file: of its code, which the code key signs, and of its tables. */
import type { Digest } from '../../pipelines/contract/artifact.ts'
import { codeDigest, tablesOf } from '../../pipelines/contract/code-digest.ts'
import { sha256 } from '../cache.ts'

/** Throws Failure('code-untrusted') when the file is no program with tables. */
export function digestsOf(elf: Uint8Array): { code: Digest; tables: Digest } {
  return { code: codeDigest(elf, sha256), tables: sha256(tablesOf(elf)) }
}
