/** A git repository whose branch main has these commits, one on the other, with the same ids in every run. */
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { execa } from 'execa'
import { AUTHOR_ENVIRONMENT } from '../../infra/local/git.ts'

const DATE = '2026-11-23T00:00:00Z'

/** Files of each commit, whole: what the next one does not have is gone. Returns the commits' ids. */
export async function policyRepository(
  directory: string,
  commits: readonly Record<string, string>[],
): Promise<string[]> {
  const env = { ...AUTHOR_ENVIRONMENT, GIT_AUTHOR_DATE: DATE, GIT_COMMITTER_DATE: DATE }
  const git = async (...args: string[]) => (await execa('git', args, { cwd: directory, env })).stdout
  await mkdir(directory, { recursive: true })
  await git('init', '-q', '-b', 'main', '.')
  const ids: string[] = []
  for (const files of commits) {
    await rm(join(directory, 'policies'), { recursive: true, force: true })
    for (const [path, text] of Object.entries(files)) {
      await mkdir(dirname(join(directory, path)), { recursive: true })
      await writeFile(join(directory, path), text)
    }
    await git('add', '-A')
    await git('commit', '-q', '-m', 'change')
    ids.push(await git('rev-parse', 'HEAD'))
  }
  return ids
}
