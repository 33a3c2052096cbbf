/** heddle rebuild, without clang: the same stages again, and which part differs when something does. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { pathPolicy } from '../../fakes/policies.ts'
import { execa } from 'execa'
import { mkdirSync, writeFileSync } from 'node:fs'
import { putJson } from '../../../functions/blobs.ts'
import { rebuild } from '../../../infra/audit/rebuild.ts'
import { AUTHOR_ENVIRONMENT } from '../../../infra/local/git.ts'
import type { Digest, Manifest } from '../../../pipelines/contract/artifact.ts'
import { fakeCompiler } from '../../fakes/compiler.ts'
import { manifestOf } from '../../fakes/node-fleet.ts'
import { memoryStore } from '../../fakes/memory-store.ts'
import { testElf } from '../../fakes/test-elf.ts'

const store = memoryStore()
let repository: string
let commits: string[]
before(async () => {
  repository = await mkdtemp(join(tmpdir(), 'heddle-rebuild-'))
  const git = async (...args: string[]) =>
    (await execa('git', args, { cwd: repository, env: AUTHOR_ENVIRONMENT })).stdout
  await git('init', '-q', '-b', 'main', '.')
  mkdirSync(join(repository, 'policies'))
  commits = []
  for (const text of [pathPolicy('/one'), pathPolicy('/two'), 'kind: Nonsense\n']) {
    writeFileSync(join(repository, 'policies/api.yaml'), text)
    await git('add', '-A')
    await git('commit', '-q', '-m', 'change')
    commits.push(await git('rev-parse', 'HEAD'))
  }
})
after(() => rm(repository, { recursive: true, force: true }))

/** What a commit gives, whatever manifest asks for it. */
async function asked(commit: string, fields: Partial<Manifest> = {}) {
  const elf = testElf('text', 'tables')
  const source = { ...manifestOf(elf).source, commit }
  const artifact = await putJson(store, { ...manifestOf(elf), source, ...fields })
  return rebuild(store, artifact, { repository, compiler: fakeCompiler })
}
/** The manifest that a rebuild makes. */
async function published(at: number): Promise<Manifest> {
  const { parts } = await asked(commits[at] ?? '')
  const there = parts.filter(({ rebuilt }) => rebuilt !== null)
  const made = Object.fromEntries(there.map(({ part, rebuilt }) => [part, rebuilt]))
  return { ...manifestOf(testElf('text', 'tables')), ...made } as Manifest
}

test('the same commit gives the same artifact', async () => {
  const artifact = await putJson(store, await published(0))
  const result = await rebuild(store, artifact, { repository, compiler: fakeCompiler })
  assert.deepEqual([result.same, result.rebuilt], [true, artifact])
  assert.ok(result.parts.every(({ same }) => same))
})

const digest: Digest = `sha256:${'1'.repeat(64)}`
const changes: [string, (manifest: Manifest) => Partial<Manifest>][] = [
  ['tables', ({ tables }) => ({ tables: { ...tables, digest } })],
  ['code', ({ code }) => ({ code: { ...code, digest } })],
  ['elf', ({ elf }) => ({ elf: { ...elf, digest } })],
  ['policies', () => ({ policies: [] })],
  ['audits', () => ({ audits: [{ id: '1', namespace: 'shop', policy: 'p', rule: 'r' }] })],
  ['source', ({ source }) => ({ source: { ...source, author: 'somebody else' } })],
]
for (const [part, change] of changes)
  test(`${part} that the commit does not give is named, and nothing else`, async () => {
    const manifest = await published(0)
    const artifact = await putJson(store, { ...manifest, ...change(manifest) })
    const result = await rebuild(store, artifact, { repository, compiler: fakeCompiler })
    assert.equal(result.same, false)
    assert.deepEqual(
      result.parts.flatMap((each) => (each.same ? [] : [each.part])),
      [part],
    )
  })

test('a commit that is refused, one that is not there, and a manifest that is not', async () => {
  await assert.rejects(asked(commits[2] ?? ''), { code: 'rebuild-differs' })
  await assert.rejects(asked('f'.repeat(40)), { code: 'forge-unavailable' })
  await assert.rejects(asked('--output=x'), { code: 'artifact-untrusted' })
  const missing = rebuild(store, digest, { repository, compiler: fakeCompiler })
  await assert.rejects(missing, { code: 'artifact-missing' })
})
