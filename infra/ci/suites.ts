/** The suites of tests, in the order in which they run, and the files of each. */
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

export type Suite = {
  name: string
  /** Path prefixes below test/. A file belongs to the first suite that names it. */
  folders: string[]
  /** Files at a time. Suites that own the kernel, namespaces or a clock's attention run one by one. */
  concurrency: number
  /** Folders of pure tests: the files of each are one process, which takes as long to start as most of them run. */
  together?: string[]
  /** Runs beside those after it, as far as they share the machine: an emulated machine is one busy CPU for a minute. */
  beside?: true
}

/** A suite that runs its files one by one has the machine to itself. */
export const isAlone = ({ concurrency, beside }: Suite): boolean => concurrency === 1 && beside === undefined

/** End to end, without a kernel of their own: servers, functions and commands on ports that they choose. */
const HOSTED = [
  'bus-cli',
  'bus-faults',
  'cases-cli',
  'cli',
  'cloud-stacks',
  'delivery',
  'explain-cli',
  'lambda',
  'lint-cli',
  'proof-cli',
  'rollout-cli',
  'services-cli',
  'trust-cli',
  'units-cli',
]

/** Of no process, file, port or clock. A folder whose tests take long is not among them: its files run side by side. */
const PURE = ['bench', 'languages', 'pipelines', 'policy', 'protocols', 'services'].map(
  (name) => `unit/${name}/`,
)

export const SUITES: readonly Suite[] = [
  { name: 'tidy', folders: ['tidy.test.ts'], concurrency: 1 },
  // A third file fills what two cores lose while processes start and disks answer.
  { name: 'unit', folders: ['unit/'], concurrency: 3, together: PURE },
  { name: 'emulated', folders: ['bpf/vm/kernel-6.1.test.ts', 'bpf/host/'], concurrency: 1, beside: true },
  { name: 'contract', folders: ['contract/'], concurrency: 2 },
  { name: 'conformance', folders: ['conformance/'], concurrency: 2 },
  { name: 'attacks', folders: ['attacks/'], concurrency: 2 },
  { name: 'crash', folders: ['crash/'], concurrency: 2 },
  { name: 'hosted', folders: HOSTED.map((name) => `e2e/${name}.test.ts`), concurrency: 2 },
  { name: 'bpf', folders: ['bpf/'], concurrency: 1 },
  { name: 'e2e', folders: ['e2e/'], concurrency: 1 },
  { name: 'bench', folders: ['bench/'], concurrency: 1 },
]

/**
 * What a newer Node could break. The kernel's programs never see it: agent, relay and their adapters meet
 * it in crash, hosted and e2e, and `npm run test:node24` runs those of the kernel too.
 */
export const ON_SECOND_NODE = ['unit', 'contract', 'conformance', 'crash', 'hosted', 'e2e', 'bench']

/** Every `*.test.ts` below test/, as paths relative to test/, sorted. */
export function testSources(root: string): string[] {
  const all = readdirSync(join(root, 'test'), { recursive: true, encoding: 'utf8' })
  return all.filter((path) => path.endsWith('.test.ts')).sort()
}

const suiteOf = (path: string) =>
  SUITES.find(({ folders }) => folders.some((folder) => path.startsWith(folder)))

/**
 * Compiled files of a suite. They are taken by name from the sources: a stale
 * file in dist must not run, and `node --test FOLDER` would count helpers.
 */
export function compiledFiles(root: string, suite: Suite, only?: RegExp): string[] {
  const sources = testSources(root).filter((path) => suiteOf(path) === suite)
  const wanted = sources.filter((path) => only === undefined || only.test(path))
  return wanted.map((path) => {
    const compiled = join(root, 'dist/test', path.replace(/\.ts$/, '.js'))
    if (!existsSync(compiled)) throw new Error(`test/${path} is not compiled: npm run build`)
    return compiled
  })
}

/**
 * What to start for compiled files of a suite. Those of a folder `together` are imported by one file, which is
 * written anew; it comes before the others, as it takes longer than most.
 */
export function processesFor(root: string, { together = [] }: Suite, files: readonly string[]): string[] {
  const folder = join(root, 'dist/test/together')
  mkdirSync(folder, { recursive: true })
  const groups = together.flatMap((prefix) => {
    const members = files.filter((file) => file.startsWith(join(root, 'dist/test', prefix)))
    if (members.length < 2) return []
    const entry = join(folder, `${prefix.slice(0, -1).replaceAll('/', '-')}.js`)
    writeFileSync(entry, members.map((file) => `await import('${pathToFileURL(file)}')\n`).join(''))
    return [{ entry, members }]
  })
  const grouped = new Set(groups.flatMap(({ members }) => members))
  return [...groups.map(({ entry }) => entry), ...files.filter((file) => !grouped.has(file))]
}
