/**
 * Commit statuses as JSON files beside the repository. Not as git notes: a git process that is
 * killed leaves `refs/notes/….lock` behind, and nobody can post any more until a human removes it.
 */
import { readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { CommitStatus, following, isFurther } from '../../pipelines/contract/commit-status.ts'
import type { Statuses } from '../ports.ts'
import { makeDirectory, removeLeftovers, syncDirectory, writeTemporary } from './durable-file.ts'
import { withLock } from './file-lock.ts'

const COMMIT = /^[0-9a-f]{40}$|^[0-9a-f]{64}$/
/** Times 2 ms. */
const LOCK_TRIES = 1000

export async function openFileStatuses(directory: string): Promise<Statuses> {
  const temporary = join(directory, '.temporary')
  await makeDirectory(temporary)
  await removeLeftovers(temporary)
  const pathOf = (commit: string): string => {
    if (!COMMIT.test(commit)) throw new RangeError(`not a commit: ${commit}`)
    return join(directory, `${commit}.json`)
  }
  const get = async (commit: string): Promise<CommitStatus | undefined> => {
    const content = await readFile(pathOf(commit), 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined
      throw error
    })
    return content === undefined ? undefined : CommitStatus.parse(JSON.parse(content))
  }
  return {
    get,
    post: (commit, status) =>
      withLock(join(directory, '.lock'), LOCK_TRIES, async () => {
        const current = await get(commit)
        if (current !== undefined && !isFurther(status, current)) return
        const content = Buffer.from(JSON.stringify(following(status, current)))
        await rename(await writeTemporary(temporary, content), pathOf(commit))
        await syncDirectory(directory)
      }),
  }
}
