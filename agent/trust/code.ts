import { createHash } from 'node:crypto'
import type { Digest } from '../../pipelines/contract/artifact.ts'

export function digestsOf(elf: Uint8Array): { code: Digest; tables: Digest } {
  const at = Buffer.from(elf).indexOf('TABLES:')
  return { code: hash(elf.subarray(0, at)), tables: hash(elf.subarray(at)) }
}
function hash(bytes: Uint8Array): Digest {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}
