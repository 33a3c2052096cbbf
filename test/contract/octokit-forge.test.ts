import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { octokitParts } from '../../functions/adapters/octokit-parts.ts'
import type { Forge } from '../../functions/ports.ts'
import { Failure } from '../../pipelines/contract/failures.ts'
import type { FakeFile } from '../fakes/github-repository.ts'
import { type Fault, type GithubServer, githubServer } from '../fakes/github-server.ts'

let server: GithubServer
let forge: Forge
beforeEach(async () => {
  server = await githubServer()
  forge = octokitParts({ ...server.settings, requestMs: 300 }).forge
})
afterEach(() => server.close())

const hasCode = (code: string) => (error: unknown) => error instanceof Failure && error.code === code
const paths = async (commit: string) => (await forge.read(commit)).files.map(({ path }) => path)

describe('github forge', () => {
  it('reads policy files byte for byte, and nothing else', async () => {
    const files = {
      'policies/a.yaml': 'a: ü\r\n\0',
      'policies/deep/er/b.yml': '',
      'policies/README.md': 'no',
      'other/c.yaml': 'no',
      'tenants.yaml': 'tenants: []\n',
    }
    const read = await forge.read(server.repository.commit(files))
    const { 'policies/README.md': _, 'other/c.yaml': __, ...policies } = files
    const texts = read.files.map(({ path, bytes }) => [path, Buffer.from(bytes).toString()])
    assert.deepEqual(Object.fromEntries(texts), policies)
  })

  it('finds every file where GitHub cuts the listing short', async () => {
    const names = Array.from({ length: 40 }, (_, at) => `policies/${at % 4}/${at % 3}/${at}.yaml`)
    const commit = server.repository.commit(Object.fromEntries(names.map((name) => [name, name])))
    server.repository.listed = 7
    assert.deepEqual((await paths(commit)).sort(), names.sort())
  })

  const refused: [string, Record<string, FakeFile>, string][] = [
    ['a link', { 'policies/a.yaml': { link: '/etc/passwd' } }, 'unsupported-feature'],
    [
      'a submodule by the name of a file',
      { 'policies/a.yaml': { submodule: 'a'.repeat(40) } },
      'unsupported-feature',
    ],
    ['a policies folder that is a link', { policies: { link: 'other' } }, 'unsupported-feature'],
    [
      'a policies folder that is a submodule',
      { policies: { submodule: 'a'.repeat(40) } },
      'unsupported-feature',
    ],
    ['a file over the limit', { 'policies/a.yaml': 'a'.repeat(1024 * 1024 + 1) }, 'limit-exceeded'],
    [
      'too many files',
      Object.fromEntries(Array.from({ length: 5001 }, (_, at) => [`policies/${at}.yaml`, ''])),
      'limit-exceeded',
    ],
  ]
  for (const [what, files, code] of refused) {
    it(`refuses ${what} before it reads a blob`, async () => {
      await assert.rejects(forge.read(server.repository.commit(files)), hasCode(code))
      assert.equal(server.asked.filter((name) => name.includes('/blobs/')).length, 0)
    })
  }

  it('refuses a blob that does not hash to its name', async () => {
    const commit = server.repository.commit({ 'policies/a.yaml': 'good' })
    for (const oid of server.repository.blobs.keys()) server.repository.blobs.set(oid, Buffer.from('evil'))
    await assert.rejects(forge.read(commit), hasCode('forge-unavailable'))
  })

  it('asks for a blob once, however many commits have it', async () => {
    const first = server.repository.commit({ 'policies/a.yaml': 'same', 'policies/b.yaml': '1' })
    const second = server.repository.commit({ 'policies/a.yaml': 'same', 'policies/b.yaml': '2' }, first)
    await forge.read(first)
    await forge.read(second)
    assert.equal(server.asked.filter((name) => name.includes('/blobs/')).length, 3)
  })

  it('does not take an app that lost its access for a deleted branch', async () => {
    server.fail('missing', /GET \/repos\//, 2)
    await assert.rejects(forge.head('main'), hasCode('forge-unavailable'))
    assert.equal(await forge.head('main'), undefined)
  })
})

describe('github forge when GitHub fails', () => {
  const passing: [string, Fault, number][] = [
    ['a server error', 'broken', 2],
    ['a short rate limit', 'rate-limit', 1],
    ['a short secondary limit', 'secondary', 1],
    ['an answer that is cut off', 'cut', 1],
    ['no answer', 'silent', 1],
  ]
  const head = async () => {
    const commit = server.repository.commit({})
    server.repository.push(commit)
    return commit
  }
  for (const [what, fault, times] of passing) {
    it(`gets over ${what}`, async () => {
      const commit = await head()
      server.fail(fault, /git/, times)
      assert.equal(await forge.head('main'), commit)
    })
  }

  const lasting: [string, Fault][] = [
    ['server errors', 'broken'],
    ['a rate limit of an hour', 'rate-limit-hour'],
    ['a page for people', 'page'],
  ]
  for (const [what, fault] of lasting) {
    it(`leaves ${what} to the queue`, async () => {
      await head()
      server.fail(fault, /git/, 100)
      await assert.rejects(forge.head('main'), hasCode('forge-unavailable'))
      // Tries are few: the queue has its own.
      assert.ok(server.asked.length <= 4, server.asked.join())
    })
  }

  it('takes a new token for one that is no longer taken, once', async () => {
    const commit = await head()
    await forge.head('main')
    server.revoke()
    assert.equal(await forge.head('main'), commit)
    assert.equal(server.asked.filter((name) => name.includes('access_tokens')).length, 2)
  })

  it('tells nobody a token or a key: not in lines, not in failures', async () => {
    await head()
    server.fail('rate-limit', /git/, 1)
    await forge.head('main')
    server.fail('broken', /git/, 9)
    const error = await forge.head('main').catch((failure: Error) => failure)
    const { inspect } = await import('node:util')
    const told = [...server.lines, inspect(error, { depth: 20, showHidden: true })].join('\n')
    assert.ok(server.lines.length > 0 && server.tokens.size > 0)
    for (const secret of [...server.tokens, 'ghs_', 'PRIVATE KEY', 'eyJ'])
      assert.ok(!told.includes(secret), secret)
  })

  it('is refused with a key that is not the app’s', async () => {
    const { generateKeyPairSync } = await import('node:crypto')
    const other = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
    const privateKey = other.export({ type: 'pkcs8', format: 'pem' }) as string
    const stranger = octokitParts({ ...server.settings, privateKey }).forge
    await assert.rejects(stranger.head('main'), hasCode('forge-unavailable'))
    assert.equal(server.tokens.size, 0)
  })
})
