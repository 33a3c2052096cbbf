/** A repository as GitHub keeps it: git objects under their real names, a branch, pull requests and what hangs on them. */
import { createHash } from 'node:crypto'

export type TreeEntry = {
  path: string
  mode: string
  type: 'blob' | 'tree' | 'commit'
  sha: string
  size?: number
}
export type FakeCommit = { sha: string; tree: string; parents: string[] }
export type FakePull = {
  number: number
  state: 'open' | 'closed'
  merged_at: string | null
  merge_commit_sha: string | null
  head: { sha: string; repo: { fork: boolean } }
  base: { ref: string }
}
export type FakeReview = {
  user: { login: string } | null
  state: string
  commit_id: string
  author_association: string
}
export type FakeComment = {
  id: number
  pull: number
  body: string
  performed_via_github_app: { id: number } | null
}
export type FakeStatus = { context: string; state: string; description: string }
export type FakeRun = {
  id: number
  name: string
  head_sha: string
  external_id: string
  status: string
  conclusion: string | null
  title: string
  summary: string
  annotations: { path: string; start_line: number; message: string }[]
}
/** Text, or a link to a path. */
export type FakeFile = string | { link: string } | { submodule: string }

export class GithubRepository {
  readonly blobs = new Map<string, Buffer>()
  readonly trees = new Map<string, TreeEntry[]>()
  readonly commits = new Map<string, FakeCommit>()
  readonly branches = new Map<string, string>()
  readonly pulls = new Map<number, FakePull>()
  readonly reviews = new Map<number, FakeReview[]>()
  readonly comments: FakeComment[] = []
  /** Newest last. */
  readonly statuses = new Map<string, FakeStatus[]>()
  readonly runs: FakeRun[] = []
  rules: object[] = []
  protection: object | 'forbidden' | undefined
  /** Recursive listings longer than this are cut. */
  listed = Number.POSITIVE_INFINITY
  #ids = 0

  id(): number {
    return ++this.#ids
  }

  commit(files: Record<string, FakeFile>, parent?: string): string {
    const tree = this.#tree(Object.entries(files).map(([path, file]) => ({ path: path.split('/'), file })))
    const parents = parent === undefined ? [] : [parent]
    const sha = hash('commit', Buffer.from(`tree ${tree}\n${parents.join()}\n${this.commits.size}`))
    this.commits.set(sha, { sha, tree, parents })
    return sha
  }

  push(commit: string | undefined, branch = 'main'): void {
    if (commit === undefined) this.branches.delete(branch)
    else this.branches.set(branch, commit)
  }

  /** A pull request; from a fork its commits lie in this repository's store all the same. */
  open(number: number, head: string, fork = false): FakePull {
    const base = { ref: 'main' }
    const none = { merged_at: null, merge_commit_sha: null }
    const pull: FakePull = { number, state: 'open', ...none, head: { sha: head, repo: { fork } }, base }
    this.pulls.set(number, pull)
    return pull
  }

  merge(number: number, commit: string): void {
    const pull = this.pulls.get(number)
    if (pull === undefined) throw new Error(`no pull request ${number}`)
    Object.assign(pull, { state: 'closed', merged_at: '2026-11-23T12:00:00Z', merge_commit_sha: commit })
    this.push(commit)
  }

  /** A commit and all before it, nearest first. */
  history(commit: string): string[] {
    const found: string[] = []
    const waiting = [commit]
    for (let at = waiting.shift(); at !== undefined; at = waiting.shift()) {
      if (found.includes(at)) continue
      found.push(at)
      waiting.push(...(this.commits.get(at)?.parents ?? []))
    }
    return found
  }

  /** Everything below a tree, folders too, as `recursive=1` lists it. */
  below(sha: string, prefix = ''): TreeEntry[] {
    return (this.trees.get(sha) ?? []).flatMap((entry) => {
      const named = { ...entry, path: `${prefix}${entry.path}` }
      return entry.type === 'tree' ? [named, ...this.below(entry.sha, `${named.path}/`)] : [named]
    })
  }

  #tree(files: { path: string[]; file: FakeFile }[]): string {
    const entries: TreeEntry[] = []
    for (const name of [...new Set(files.map(({ path }) => path[0] as string))].sort()) {
      const inside = files.filter(({ path }) => path[0] === name)
      const leaf = inside.find(({ path }) => path.length === 1)
      if (leaf !== undefined) entries.push({ path: name, ...this.#leaf(leaf.file) })
      else {
        const deeper = inside.map(({ path, file }) => ({ path: path.slice(1), file }))
        entries.push({ path: name, mode: '040000', type: 'tree', sha: this.#tree(deeper) })
      }
    }
    const sha = hash('tree', Buffer.from(JSON.stringify(entries)))
    this.trees.set(sha, entries)
    return sha
  }

  #leaf(file: FakeFile): Omit<TreeEntry, 'path'> {
    if (typeof file === 'object' && 'submodule' in file)
      return { mode: '160000', type: 'commit', sha: file.submodule }
    const [mode, text] = typeof file === 'string' ? ['100644', file] : ['120000', file.link]
    const bytes = Buffer.from(text)
    const sha = hash('blob', bytes)
    this.blobs.set(sha, bytes)
    return { mode, type: 'blob', sha, size: bytes.length }
  }
}

function hash(kind: string, bytes: Buffer): string {
  return createHash('sha1').update(`${kind} ${bytes.length}\0`).update(bytes).digest('hex')
}
