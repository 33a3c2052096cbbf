/**
 * Files that are generated and committed: each generator makes its file again
 * and compares. Define once, generate, fail when stale.
 */
import { execa } from 'execa'

const RENEW = 'npm run generate'

/** `npm run generate` calls the same generators to write; with --check they exit with 1 when stale. */
const GENERATED: readonly { file: string; generator: string }[] = [
  { file: 'bpf/abi/heddle.gen.ts', generator: 'dist/bpf/abi/generate.js' },
  {
    file: 'pipelines/languages/cilium/schema.gen.json',
    generator: 'dist/infra/ci/generate-cilium-schema.js',
  },
]

/** The generated files that differ from what their generator makes, and how to renew them. */
export async function staleFiles(root: string): Promise<string> {
  const stale: string[] = []
  for (const { file, generator } of GENERATED) {
    const result = await execa(process.execPath, [generator, '--check'], {
      cwd: root,
      reject: false,
      all: true,
    })
    if (result.failed) stale.push(`${file} is stale, run: ${RENEW}\n${result.all ?? ''}`)
  }
  return stale.join('\n')
}
