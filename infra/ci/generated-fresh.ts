/**
 * Files that are generated and committed: each generator makes its file again, somewhere else, and the
 * two are compared. Define once, generate, fail when stale.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'

const RENEW = 'npm run generate'

/** A generator writes its file, or the one that it is given. `npm run generate` calls the same ones. */
export type Generated = { file: string; generator: string }

const GENERATED: readonly Generated[] = [
  { file: 'bpf/abi/heddle.gen.ts', generator: 'dist/bpf/abi/generate.js' },
  {
    file: 'pipelines/languages/cilium/schema.gen.json',
    generator: 'dist/infra/ci/generate-cilium-schema.js',
  },
  {
    file: 'pipelines/languages/mesh/schema.gen.json',
    generator: 'dist/infra/ci/generate-mesh-schema.js',
  },
  {
    file: 'pipelines/languages/mesh/reference.gen.md',
    generator: 'dist/infra/ci/generate-mesh-reference.js',
  },
]

/** The generated files that differ from what their generator makes, and how to renew them. */
export async function staleFiles(root: string, all = GENERATED): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'heddle-generated-'))
  try {
    const stale: string[] = []
    for (const { file, generator } of all) {
      const made = join(directory, 'made')
      const result = await execa(process.execPath, [generator, made], { cwd: root, reject: false, all: true })
      if (result.failed) stale.push(`${file} can't be made again: ${result.all || result.shortMessage}`)
      else if (!(await readFile(made)).equals(await readFile(join(root, file))))
        stale.push(`${file} is stale, run: ${RENEW}`)
    }
    return stale.join('\n')
  } finally {
    await rm(directory, { recursive: true })
  }
}
