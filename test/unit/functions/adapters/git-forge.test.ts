import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { execa } from 'execa'
import { gitForge } from '../../../../functions/adapters/git-forge.ts'
import { AUTHOR_ENVIRONMENT } from '../../../../infra/local/git.ts'
import { Failure } from '../../../../pipelines/contract/failures.ts'

let directory = ''
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'heddle-forge-'))
  await git('init', '--quiet', '--initial-branch=main')
})
after(() => rm(directory, { recursive: true, force: true }))

/** Whoever commits, and when, is not the author. */
const ENVIRONMENT = {
  ...AUTHOR_ENVIRONMENT,
  GIT_AUTHOR_DATE: '2026-11-23T10:00:00Z',
  GIT_COMMITTER_NAME: 'C',
  GIT_COMMITTER_EMAIL: 'c@example.org',
  GIT_COMMITTER_DATE: '2026-11-23T11:00:00Z',
}

async function git(...args: string[]): Promise<string> {
  const { stdout } = await execa('git', ['-C', directory, ...args], { env: ENVIRONMENT })
  return stdout.trim()
}

async function commit(files: Record<string, string | Buffer>): Promise<string> {
  await git('rm', '-r', '-q', '--ignore-unmatch', '.')
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(directory, path)), { recursive: true })
    await writeFile(join(directory, path), content)
  }
  await git('add', '-A')
  await git('commit', '--quiet', '--allow-empty', '-m', 'change')
  return git('rev-parse', 'HEAD')
}

const hasCode = (code: string) => (error: unknown) => error instanceof Failure && error.code === code

describe('git forge', () => {
  it('reads policy files of a commit byte for byte, and nothing else', async () => {
    const odd = Buffer.from([0, 1, 255, 10, 13, 10])
    const id = await commit({
      'policies/a.yaml': 'a: 1\n',
      'policies/deep/ü b.yml': odd,
      'policies/empty.yaml': '',
      'policies/README.md': 'no',
      'tenants.yaml': 'tenants: []\n',
      'other/c.yaml': 'no',
      'policies.yaml': 'no',
    })
    const { files, author, committed } = await gitForge(directory).read(id)
    assert.deepEqual(
      files.map(({ path, bytes }) => [path, Buffer.from(bytes).toString('latin1')]),
      [
        ['policies/a.yaml', 'a: 1\n'],
        ['policies/deep/ü b.yml', odd.toString('latin1')],
        ['policies/empty.yaml', ''],
        ['tenants.yaml', 'tenants: []\n'],
      ],
    )
    assert.deepEqual(
      [author, new Date(committed).toISOString()],
      ['Policy Author <author@example.org>', '2026-11-23T11:00:00.000Z'],
    )
  })

  it('reads a commit without policies as no files', async () => {
    assert.deepEqual((await gitForge(directory).read(await commit({ 'x.txt': '' }))).files, [])
  })

  it('names the head of a branch, and no head for a branch that is not there', async () => {
    const id = await commit({ 'policies/a.yaml': 'x: 1' })
    assert.equal(await gitForge(directory).head('main'), id)
    assert.equal(await gitForge(directory).head('gone'), undefined)
  })

  it('tells what lies in the history of what', async () => {
    const older = await commit({ 'policies/a.yaml': '1' })
    const newer = await commit({ 'policies/a.yaml': '2' })
    const forge = gitForge(directory)
    assert.equal(await forge.contains(newer, older), true)
    assert.equal(await forge.contains(newer, newer), true)
    assert.equal(await forge.contains(older, newer), false)
    assert.equal(await forge.contains(newer, 'f'.repeat(40)), false)
  })

  it('refuses links, which could name any file of this machine', async () => {
    await commit({ 'policies/a.yaml': '1' })
    await symlink('/etc/passwd', join(directory, 'policies/link.yaml'))
    await git('add', '-A')
    await git('commit', '--quiet', '-m', 'link')
    await assert.rejects(
      gitForge(directory).read(await git('rev-parse', 'HEAD')),
      hasCode('unsupported-feature'),
    )
  })

  it('refuses a file over the limit before it reads it', async () => {
    const id = await commit({ 'policies/large.yaml': Buffer.alloc(1024 * 1024 + 1, 'a') })
    await assert.rejects(gitForge(directory).read(id), hasCode('limit-exceeded'))
  })

  it('takes only whole commit ids and plain branch names', async () => {
    const forge = gitForge(directory)
    for (const id of ['HEAD', '--all', 'f'.repeat(39), `${'f'.repeat(40)}\n`, '']) {
      await assert.rejects(forge.read(id), RangeError)
    }
    for (const branch of ['--all', '', '../x', 'a b']) await assert.rejects(forge.head(branch), RangeError)
  })

  it('says that the forge is unavailable when the repository or the commit is not there', async () => {
    await assert.rejects(gitForge(join(directory, 'none')).read('f'.repeat(40)), hasCode('forge-unavailable'))
    await assert.rejects(gitForge(directory).read('f'.repeat(40)), hasCode('forge-unavailable'))
  })
})
