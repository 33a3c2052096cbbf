/** The suites of tests, in the order in which they run, and the files of each. */
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

export type Suite = {
  name: string
  /** Path prefixes below test/. */
  folders: string[]
  /** Files at a time. Suites that own the kernel, namespaces or a clock's attention run one by one. */
  concurrency: number
}

export const SUITES: readonly Suite[] = [
  { name: 'tidy', folders: ['tidy.test.ts'], concurrency: 1 },
  { name: 'unit', folders: ['unit/'], concurrency: 2 },
  { name: 'contract', folders: ['contract/'], concurrency: 2 },
  { name: 'conformance', folders: ['conformance/'], concurrency: 2 },
  { name: 'attacks', folders: ['attacks/'], concurrency: 1 },
  { name: 'bpf', folders: ['bpf/'], concurrency: 1 },
  { name: 'crash', folders: ['crash/'], concurrency: 1 },
  { name: 'e2e', folders: ['e2e/'], concurrency: 1 },
  { name: 'bench', folders: ['bench/'], concurrency: 1 },
]

/**
 * What a newer Node could break. The kernel's programs never see it: agent, relay and their adapters meet
 * it in crash and e2e, and `npm run test:node24` runs the suite bpf too.
 */
export const ON_SECOND_NODE = ['unit', 'contract', 'conformance', 'crash', 'e2e', 'bench']

/** Every `*.test.ts` below test/, as paths relative to test/, sorted. */
export function testSources(root: string): string[] {
  const all = readdirSync(join(root, 'test'), { recursive: true, encoding: 'utf8' })
  return all.filter((path) => path.endsWith('.test.ts')).sort()
}

/**
 * Compiled files of a suite. They are taken by name from the sources: a stale
 * file in dist must not run, and `node --test FOLDER` would count helpers.
 */
export function compiledFiles(root: string, suite: Suite, only?: RegExp): string[] {
  const sources = testSources(root).filter((path) => suite.folders.some((folder) => path.startsWith(folder)))
  const wanted = sources.filter((path) => only === undefined || only.test(path))
  return wanted.map((path) => {
    const compiled = join(root, 'dist/test', path.replace(/\.ts$/, '.js'))
    if (!existsSync(compiled)) throw new Error(`test/${path} is not compiled: npm run build`)
    return compiled
  })
}
