import type { Forge, Statuses } from '../../functions/ports.ts'
import { type CommitStatus, following, isFurther } from '../../pipelines/contract/commit-status.ts'

export type MemoryForge = Forge & {
  /** Makes a commit; `parent` undefined = a first one. Returns its id. */
  commit(files: Record<string, string>, parent?: string): string
  /** Moves the branch, by force where that is needed; undefined deletes it. */
  push(commit: string | undefined): void
}

/** A forge with one branch. */
export function memoryForge(): MemoryForge {
  const commits = new Map<string, { parent: string | undefined; files: Record<string, string> }>()
  let tip: string | undefined
  return {
    commit(files, parent) {
      const id = (commits.size + 1).toString(16).padStart(40, '0')
      commits.set(id, { parent, files })
      return id
    },
    push(commit) {
      tip = commit
    },
    head: async () => tip,
    async contains(commit, ancestor) {
      for (let at: string | undefined = commit; at !== undefined; at = commits.get(at)?.parent) {
        if (at === ancestor) return true
      }
      return false
    },
    async read(commit) {
      const files = Object.entries(commits.get(commit)?.files ?? {})
      return {
        commit,
        author: 'Policy Author <author@example.org>',
        committed: '2026-11-23T00:00:00Z',
        files: files.map(([path, text]) => ({ path, bytes: new Uint8Array(Buffer.from(text)) })),
      }
    },
  }
}

export function memoryStatuses(): Statuses & { posted: Map<string, CommitStatus> } {
  const posted = new Map<string, CommitStatus>()
  return {
    posted,
    get: async (commit) => posted.get(commit),
    async post(commit, status) {
      const current = posted.get(commit)
      if (current === undefined || isFurther(status, current)) posted.set(commit, following(status, current))
    },
  }
}
