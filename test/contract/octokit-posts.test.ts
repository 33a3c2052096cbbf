import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { octokitParts } from '../../functions/adapters/octokit-parts.ts'
import type { Check, Posts } from '../../functions/ports.ts'
import type { Finding } from '../../pipelines/contract/commit-status.ts'
import { Failure } from '../../pipelines/contract/failures.ts'
import { type GithubServer, githubServer } from '../fakes/github-server.ts'

const COMMIT = 'c'.repeat(40)
let server: GithubServer
let posts: Posts
beforeEach(async () => {
  server = await githubServer()
  posts = octokitParts(server.settings).posts
})
afterEach(() => server.close())

const finding = (line: number): Finding => ({
  file: 'policies/a.yaml',
  line,
  column: 3,
  code: 'unknown-field',
  message: `wrong at ${line}`,
  hint: 'write something else',
  severity: 'error',
})
const check = (findings: number, key = 'pull/1 x'): Check => ({
  name: 'heddle/plan',
  commit: COMMIT,
  key,
  conclusion: 'failure',
  title: 'refused',
  summary: 'why',
  findings: Array.from({ length: findings }, (_, at) => finding(at + 1)),
})
const writes = () => server.asked.filter((name) => /^(POST|PATCH|DELETE) \/repos/.test(name))

describe('github posts', () => {
  const sizes: [number, number][] = [
    [0, 1],
    [1, 1],
    [50, 1],
    [51, 2],
    [500, 10],
    [777, 10],
  ]
  for (const [findings, requests] of sizes) {
    it(`puts ${findings} findings on their lines in ${requests} requests`, async () => {
      await posts.check(check(findings))
      const [run] = server.repository.runs
      assert.equal(writes().length, requests)
      assert.equal(run?.status, 'completed')
      assert.equal(run?.conclusion, 'failure')
      const lines = run?.annotations.map(({ path, start_line }) => `${path}:${start_line}`)
      const shown = Math.min(findings, 500)
      assert.deepEqual(
        lines,
        Array.from({ length: shown }, (_, at) => `policies/a.yaml:${at + 1}`),
      )
      assert.equal(/277 more findings/.test(run?.summary ?? ''), findings === 777)
    })
  }

  it('posts an equal check once, and another one for another word', async () => {
    for (const key of ['pull/1 x', 'pull/1 x', 'pull/1 y', 'pull/1 y']) await posts.check(check(1, key))
    assert.deepEqual(
      server.repository.runs.map(({ external_id }) => external_id),
      ['pull/1 x', 'pull/1 y'],
    )
  })

  it('begins a check anew that was not ended, so that no line is named twice', async () => {
    server.fail('refused', /PATCH/)
    await assert.rejects(posts.check(check(60)))
    await posts.check(check(60))
    const last = server.repository.runs.at(-1)
    assert.deepEqual([last?.status, last?.annotations.length], ['completed', 60])
  })

  it('updates its one comment in place', async () => {
    for (const text of ['one', 'two', 'two']) await posts.comment(1, text)
    assert.deepEqual(
      server.repository.comments.map(({ body }) => body),
      ['<!-- heddle:plan -->\ntwo'],
    )
    assert.equal(writes().length, 2)
  })

  it('leaves comments alone that have its marker and are somebody else’s', async () => {
    const body = '<!-- heddle:plan -->\nnothing to see'
    server.repository.comments.push(
      { id: 1, pull: 1, body, performed_via_github_app: null },
      { id: 2, pull: 1, body, performed_via_github_app: { id: 99 } },
    )
    await posts.comment(1, 'ours')
    assert.deepEqual(
      server.repository.comments.map((comment) => comment.body),
      [body, body, '<!-- heddle:plan -->\nours'],
    )
  })

  it('finds its comment behind hundreds of others', async () => {
    const other = { pull: 1, body: 'talk', performed_via_github_app: null }
    await posts.comment(1, 'old')
    server.repository.comments.unshift(
      ...Array.from({ length: 250 }, (_, at) => ({ ...other, id: 1000 + at })),
    )
    await posts.comment(1, 'new')
    assert.equal(server.repository.comments.filter(({ body }) => body.startsWith('<!--')).length, 1)
  })

  it('removes what a race has doubled', async () => {
    const [one, other] = [posts, octokitParts(server.settings).posts]
    await Promise.all([one.comment(1, 'same'), other.comment(1, 'same')])
    assert.equal(server.repository.comments.length, 1)
  })

  it('posts a status once, whatever its length, and again when it was another in between', async () => {
    const long = { state: 'pending', description: 'x'.repeat(300) } as const
    const done = { state: 'success', description: 'done' } as const
    for (const status of [long, long, done, done, long]) await posts.status(COMMIT, status)
    const states = server.repository.statuses.get(COMMIT)?.map(({ state }) => state)
    assert.deepEqual(states, ['pending', 'success', 'pending'])
  })

  it('says which posts will never be taken', async () => {
    server.fail('refused', /POST .repos/)
    const status = posts.status(COMMIT, { state: 'success', description: '' })
    await assert.rejects(status, (error) => error instanceof Failure && error.disposition === 'reject')
  })
})
