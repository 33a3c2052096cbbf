import type { Compiler } from '../../functions/ports.ts'
import { encode, sha256Hex } from '../../functions/trust/metadata.ts'
import type { Target } from '../../functions/trust/repository.ts'
import type { Digest } from '../../pipelines/contract/artifact.ts'
import { codeTarget, DISPATCHER_TARGET } from '../../pipelines/contract/object-keys.ts'

const CODE: Digest = `sha256:${'c0de'.repeat(16)}`

/** An "ELF" that is the policies' text: equal sets give equal bytes, as the real compiler promises. */
export const fakeCompiler: Compiler = {
  async compile(set) {
    const elf = encode({
      elf: set.policies.map(({ name, namespace, allow, deny }) => ({ name, namespace, allow, deny })),
    })
    return {
      abi: 1,
      kernel: { minimum: '6.1', arch: 'bpfel', hooks: ['sk_skb'] },
      code: { variant: 'small', digest: CODE },
      tables: { digest: `sha256:${sha256Hex(elf)}`, words: elf.length },
      blocks: [],
      services: [],
      routes: [],
      elf,
    }
  },
}

export const fakeCode: Target[] = [
  { path: codeTarget('small'), bytes: encode({ variant: 'small', digest: CODE }) },
  { path: DISPATCHER_TARGET, bytes: new Uint8Array([1, 2, 3]) },
]
