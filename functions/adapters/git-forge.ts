/**
 * Forge over a bare git repository on this machine. git is called without a shell, with a clean
 * environment, and everything it says has a limit.
 */
import { execa } from 'execa'
import { Failure } from '../../pipelines/contract/failures.ts'
import type { CommitFacts, Forge, RepositoryFile } from '../ports.ts'
import { commitDate } from './commit-date.ts'
import {
  type ListedEntry,
  MAX_TOTAL_BYTES,
  POLICY_ROOTS,
  type PolicyEntry,
  policyEntries,
} from './policy-entries.ts'

const COMMIT = /^[0-9a-f]{40}$|^[0-9a-f]{64}$/
const BRANCH = /^[A-Za-z0-9][A-Za-z0-9._/-]{0,200}$/
/** Bytes of a listing: long paths times files, whatever else lies below policies/. */
const MAX_LISTING_BYTES = 8 * 1024 * 1024
const TIMEOUT_MS = 20_000

const ENVIRONMENT = {
  PATH: '/usr/local/bin:/usr/bin:/bin',
  LC_ALL: 'C',
  HOME: '/nonexistent',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_TERMINAL_PROMPT: '0',
  GIT_OPTIONAL_LOCKS: '0',
}

export function gitForge(repository: string): Forge {
  const git = (args: string[], limit = MAX_LISTING_BYTES, input?: string) =>
    run(repository, args, { limit, input })
  return {
    async head(branch) {
      if (!BRANCH.test(branch)) throw new RangeError(`not a branch name: ${branch}`)
      const answer = await git(['rev-parse', '--verify', '--quiet', `refs/heads/${branch}^{commit}`])
      return answer.exitCode === 0 ? text(answer.stdout).trim() : undefined
    },
    async contains(commit, ancestor) {
      assertCommit(commit)
      assertCommit(ancestor)
      // 0 yes, 1 no, 128 an object that is gone: no as well.
      return (await git(['merge-base', '--is-ancestor', ancestor, commit])).exitCode === 0
    },
    async read(commit) {
      assertCommit(commit)
      const [facts, listing] = await Promise.all([
        git(['show', '-s', '--no-show-signature', '--format=%an <%ae>%x00%cI', commit, '--']),
        git(['ls-tree', '-r', '-z', '-l', '--full-tree', commit, '--', ...POLICY_ROOTS]),
      ])
      if (facts.exitCode !== 0 || listing.exitCode !== 0) {
        throw new Failure('forge-unavailable', `git can't read commit ${commit}`)
      }
      const [author = '', date = ''] = text(facts.stdout).trimEnd().split('\0')
      const committed = commitDate(date)
      const entries = policyEntries(parseListing(text(listing.stdout)))
      const limit = MAX_TOTAL_BYTES + entries.length * 128
      const objects = await git(['cat-file', '--batch'], limit, entries.map(({ oid }) => `${oid}\n`).join(''))
      return { commit, author, committed, files: parseBatch(objects.stdout, entries) } satisfies CommitFacts
    },
  }
}

async function run(
  repository: string,
  args: string[],
  options: { limit: number; input: string | undefined },
) {
  try {
    const answer = await execa('git', ['-c', 'safe.directory=*', '-C', repository, ...args], {
      env: ENVIRONMENT,
      extendEnv: false,
      encoding: 'buffer',
      maxBuffer: options.limit,
      timeout: TIMEOUT_MS,
      reject: false,
      stdin: options.input === undefined ? 'ignore' : 'pipe',
      ...(options.input === undefined ? {} : { input: options.input }),
    })
    if (answer.isMaxBuffer) throw new Failure('limit-exceeded', `git said more than ${options.limit} bytes`)
    if (answer.exitCode === undefined) throw answer.cause ?? new Error(answer.shortMessage)
    return { exitCode: answer.exitCode, stdout: Buffer.from(answer.stdout) }
  } catch (cause) {
    if (cause instanceof Failure) throw cause
    throw new Failure('forge-unavailable', 'git does not answer', { cause })
  }
}

/** `<mode> <type> <oid> <size>\t<path>\0` … */
function parseListing(listing: string): ListedEntry[] {
  return listing.split('\0').map((line) => {
    const [, mode = '', oid = '', size = '', path = ''] =
      /^(\d+) \w+ ([0-9a-f]+) +(\d+|-)\t(.*)$/s.exec(line) ?? []
    return { mode, oid, bytes: Number(size), path }
  })
}

/** `<oid> blob <size>\n<content>\n` for each asked object, in the order of asking. */
function parseBatch(output: Buffer, entries: readonly PolicyEntry[]): RepositoryFile[] {
  let at = 0
  return entries.map(({ oid, bytes, path }) => {
    const header = `${oid} blob ${bytes}\n`
    if (output.toString('latin1', at, at + header.length) !== header) {
      throw new Failure('forge-unavailable', `git lost ${path}`)
    }
    const start = at + header.length
    at = start + bytes + 1
    return { path, bytes: new Uint8Array(output.subarray(start, start + bytes)) }
  })
}

function assertCommit(commit: string): void {
  if (!COMMIT.test(commit)) throw new RangeError(`not a commit: ${commit}`)
}

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('utf8')
