/** A developer's clone of the policy repository, and what a push says. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { execa } from 'execa'

export type Push = { commit: string; said: string; milliseconds: number }

/** The person who pushes, here and in the tests; the machine's own git configuration stays out of it. */
export const AUTHOR_ENVIRONMENT = {
  GIT_AUTHOR_NAME: 'Policy Author',
  GIT_AUTHOR_EMAIL: 'author@example.org',
  GIT_COMMITTER_NAME: 'Policy Author',
  GIT_COMMITTER_EMAIL: 'author@example.org',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_TERMINAL_PROMPT: '0',
}

export class Clone {
  readonly dir: string
  private readonly branch: string

  constructor(dir: string, branch: string) {
    this.dir = dir
    this.branch = branch
  }

  private async git(...args: string[]): Promise<{ stdout: string; stderr: string }> {
    const { stdout, stderr } = await execa('git', args, { cwd: this.dir, env: AUTHOR_ENVIRONMENT })
    return { stdout, stderr }
  }

  /**
   * `namespace` is where the functions listen: the receiving side of a push, and so the hook, runs
   * in it, while whoever pushes stays where he is.
   */
  async start(remote: string, namespace: string): Promise<void> {
    mkdirSync(this.dir, { recursive: true })
    await this.git('init', '-q', '-b', this.branch)
    await this.git('remote', 'add', 'origin', remote)
    const receive = `nsenter --net=/run/netns/${namespace} git-receive-pack`
    await this.git('config', 'remote.origin.receivepack', receive)
    // For whoever commits here by hand on a machine where git knows nobody.
    await this.git('config', 'user.name', AUTHOR_ENVIRONMENT.GIT_AUTHOR_NAME)
    await this.git('config', 'user.email', AUTHOR_ENVIRONMENT.GIT_AUTHOR_EMAIL)
  }

  /** Commit these files (null = delete) and push; resolves when the push has said what came of it. */
  async push(files: Record<string, string | null>, message: string): Promise<Push> {
    for (const [path, text] of Object.entries(files)) {
      const file = join(this.dir, path)
      mkdirSync(dirname(file), { recursive: true })
      if (text === null) rmSync(file, { force: true })
      else writeFileSync(file, text)
    }
    await this.git('add', '-A')
    await this.git('commit', '-q', '-m', message)
    const { stdout: commit } = await this.git('rev-parse', 'HEAD')
    const start = performance.now()
    const { stderr } = await this.git('push', '-q', 'origin', this.branch)
    const said = stderr.replaceAll(/^remote: ?|\s+$/gm, '')
    return { commit, said, milliseconds: performance.now() - start }
  }
}
