/** A build of the project in which checks are missing, and the tests that are run on it. */
import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { type Cut, compiledPath, withoutCheck } from './attack.ts'

/** Packages in which checks are, and which name each other: they have to be copied together. */
const COPIED_PACKAGES = ['tuf-js', '@tufjs']
/** Milliseconds: a test that hangs without its check has failed. */
const TEST_TIMEOUT_MS = 120_000
/** Folder of the copy for what its tests make: one that is ended has no time to clean up. */
const TEMPORARY = 'temporary'
/** Bytes of what a run says. */
const MAX_OUTPUT = 64 * 1024 * 1024

export type Ran = { passed: string[]; failed: string[]; output: string }

export type Build = {
  /** Removes the checks, calls, and puts them back. */
  without<T>(cuts: readonly Cut[], call: () => Promise<T>): Promise<T>
  /** Runs these tests of a file below dist/test. */
  run(file: string, tests: readonly string[]): Promise<Ran>
  remove(): Promise<void>
}

/** A copy of what `root` has built; everything else of it is the same by links. */
export async function copyBuild(root: string): Promise<Build> {
  const copy = await mkdtemp(join(tmpdir(), 'heddle-mutant-'))
  const apart = ['dist', 'node_modules', '.git', '.heddle']
  for (const name of await readdir(root))
    if (!apart.includes(name)) await symlink(join(root, name), join(copy, name))
  await cp(join(root, 'dist'), join(copy, 'dist'), { recursive: true })
  for (const name of ['node_modules', TEMPORARY]) await mkdir(join(copy, name))
  for (const name of await readdir(join(root, 'node_modules'))) {
    const [from, to] = [join(root, 'node_modules', name), join(copy, 'node_modules', name)]
    if (COPIED_PACKAGES.includes(name)) await cp(from, to, { recursive: true })
    else await symlink(from, to)
  }
  return {
    run: (file, tests) => run(copy, file, tests),
    remove: () => rm(copy, { recursive: true, force: true }),
    async without(cuts, call) {
      const originals = new Map<string, string>()
      try {
        for (const cut of cuts) {
          const path = join(copy, compiledPath(cut))
          const text = await readFile(path, 'utf8')
          if (!originals.has(path)) originals.set(path, text)
          await writeFile(path, withoutCheck(text, cut))
        }
        return await call()
      } finally {
        for (const [path, text] of originals) await writeFile(path, text)
      }
    },
  }
}

function run(root: string, file: string, tests: readonly string[]): Promise<Ran> {
  const patterns = tests.map((name) => `--test-name-pattern=${pattern(name)}`)
  const flags = ['--test', '--test-reporter=tap', '--test-force-exit', `--test-timeout=${TEST_TIMEOUT_MS}`]
  const environment: NodeJS.ProcessEnv = {
    ...process.env,
    TMPDIR: join(root, TEMPORARY),
    HEDDLE_CORPUS: resolve(process.env['HEDDLE_CORPUS'] ?? '../shared/corpus'),
  }
  // A run of its own, by samples.
  for (const name of ['NODE_TEST_CONTEXT', 'HEDDLE_DEEP']) delete environment[name]
  const options = { cwd: root, env: environment, maxBuffer: MAX_OUTPUT }
  return new Promise((done) => {
    execFile(process.execPath, [...flags, ...patterns, `dist/test/${file}.test.js`], options, (_, output) =>
      done(told(output, tests)),
    )
  })
}

/** What TAP says of these tests; those that do not fit the pattern are skipped. */
function told(output: string, tests: readonly string[]): Ran {
  const passed: string[] = []
  const failed: string[] = []
  for (const line of output.split('\n')) {
    const found = /^ *(not ok|ok) \d+ - (.*?)( # .*)?$/.exec(line)
    const name = found?.[2]?.replaceAll('\\#', '#')
    if (name === undefined || !tests.includes(name) || / # SKIP/i.test(line)) continue
    if (found?.[1] === 'ok') passed.push(name)
    else failed.push(name)
  }
  return { passed, failed, output }
}

/** Node matches names alone or behind those of their suites: the end is what fits both. */
function pattern(name: string): string {
  return `${name.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&')}$`
}
