import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after } from 'node:test'
import { execa } from 'execa'
import { octokitParts } from '../../functions/adapters/octokit-parts.ts'
import { gitForge } from '../../functions/adapters/git-forge.ts'
import { AUTHOR_ENVIRONMENT } from '../../infra/local/git.ts'
import { memoryForge } from '../fakes/memory-forge.ts'
import { githubServer } from '../fakes/github-server.ts'
import { forgeContract, type TestRepository } from './forge.ts'

const directories: string[] = []
const ends: (() => Promise<void>)[] = []
after(() => Promise.all(ends.map((end) => end())))
after(() => Promise.all(directories.map((path) => rm(path, { recursive: true, force: true }))))

forgeContract('memory', async () => {
  const forge = memoryForge()
  return {
    forge,
    commit: async (files, parent) => forge.commit(files, parent),
    push: async (commit) => forge.push(commit),
  }
})

forgeContract('git', async (): Promise<TestRepository> => {
  const directory = await mkdtemp(join(tmpdir(), 'heddle-forge-'))
  directories.push(directory)
  const git = async (...args: string[]): Promise<string> => {
    const { stdout } = await execa('git', ['-C', directory, ...args], { env: AUTHOR_ENVIRONMENT })
    return stdout
  }
  await git('init', '--quiet', '--initial-branch=work')
  return {
    forge: gitForge(directory),
    async commit(files, parent) {
      await git('read-tree', '--empty')
      for (const [path, content] of Object.entries(files)) {
        await mkdir(dirname(join(directory, path)), { recursive: true })
        await writeFile(join(directory, path), content)
        await git('add', '--', path)
      }
      const tree = await git('write-tree')
      return git('commit-tree', tree, '-m', 'change', ...(parent === undefined ? [] : ['-p', parent]))
    },
    async push(commit) {
      if (commit === undefined) await git('update-ref', '-d', 'refs/heads/main')
      else await git('update-ref', 'refs/heads/main', commit)
    },
  }
})

forgeContract('github', async (): Promise<TestRepository> => {
  const server = await githubServer()
  ends.push(server.close)
  return {
    forge: octokitParts(server.settings).forge,
    commit: async (files, parent) => server.repository.commit(files, parent),
    push: async (commit) => server.repository.push(commit),
  }
})
