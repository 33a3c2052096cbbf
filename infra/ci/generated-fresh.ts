/**
 * Files that are generated and committed: each generator makes its file again
 * and compares. Define once, generate, fail when stale.
 */
import { execa } from 'execa'

/** A command exits with 1 when its file is stale. */
const GENERATED: readonly { file: string; check: string[]; renew: string }[] = [
  {
    file: 'bpf/abi/heddle.gen.ts',
    check: ['dist/bpf/abi/generate.js', '--check'],
    renew: 'node dist/bpf/abi/generate.js',
  },
]

/** The generated files that differ from what their generator makes, and how to renew them. */
export async function staleFiles(root: string): Promise<string> {
  const stale: string[] = []
  for (const { file, check, renew } of GENERATED) {
    const result = await execa(process.execPath, check, { cwd: root, reject: false, all: true })
    if (result.failed) stale.push(`${file} is stale, run: ${renew}\n${result.all ?? ''}`)
  }
  return stale.join('\n')
}
