import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { putBlob, putJson } from '../../../../functions/blobs.ts'
import { publish } from '../../../../functions/publish/publish.ts'
import { loadCurrent } from '../../../../functions/trust/repository-state.ts'
import type { Digest, Manifest } from '../../../../pipelines/contract/artifact.ts'
import { Failure } from '../../../../pipelines/contract/failures.ts'
import { blobKey, policyTarget, releaseTarget } from '../../../../pipelines/contract/object-keys.ts'
import { memoryStatuses } from '../../../fakes/memory-forge.ts'
import { memoryStore } from '../../../fakes/memory-store.ts'
import { publishedRepository } from '../../../fakes/published-repository.ts'

const NONE: Digest = `sha256:${'0'.repeat(64)}`

async function world() {
  const store = memoryStore()
  const { repository, keys } = await publishedRepository({ store, code: {}, dispatcher: new Uint8Array(1) })
  const sent: unknown[] = []
  const queue = {
    send: async (event: unknown) => {
      sent.push(event)
    },
  }
  const ports = { store, repository, queue, statuses: memoryStatuses() }
  const provenance = await putBlob(store, Buffer.from('provenance'))
  const build = async (number: number) => {
    const commit = number.toString(16).padStart(40, '0')
    const manifest: Manifest = {
      schema: 'heddle.artifact/1',
      abi: 1,
      kernel: { minimum: '6.1', arch: 'bpfel', hooks: [] },
      code: { variant: 'small', digest: NONE },
      tables: { digest: NONE, words: 0 },
      elf: { digest: NONE, bytes: 0 },
      blocks: [],
      services: [],
      routes: [],
      intents: [],
      policies: [],
      source: {
        repository: 'acme/policies',
        commit,
        author: 'Policy Author',
        committed: '2026-11-23T00:00:00Z',
      },
    }
    return { stage: 'publish' as const, commit, artifact: await putJson(store, manifest), provenance }
  }
  const listed = async () => (await loadCurrent(store, keys)).roles.policy.signed.targets
  return { store, repository, ports, sent, build, listed }
}

describe('publish', () => {
  it('lists an artifact with what a node wants to know before it downloads', async () => {
    const { ports, build, listed, sent } = await world()
    const event = await build(1)
    await publish(ports, event)
    const { abi, kernel, commit, provenance } = (await listed())[policyTarget(event.artifact)]?.custom ?? {}
    assert.deepEqual(
      { abi, kernel, commit, provenance },
      { abi: 1, kernel: '6.1', commit: event.commit, provenance: event.provenance },
    )
    const { artifact } = event
    assert.deepEqual(sent, [
      { stage: 'rollout', cause: { kind: 'published', commit: event.commit, artifact } },
    ])
  })

  it('keeps the newest artifacts and those that a ring is told to run', async () => {
    const { ports, repository, build, listed } = await world()
    const events = await Promise.all(Array.from({ length: 260 }, (_, index) => build(index)))
    const [running] = events
    assert.ok(running)
    await publish(ports, running)
    const custom = { artifact: running.artifact }
    const release = { path: releaseTarget('ring-0'), bytes: Buffer.from('{}'), custom }
    await repository.update(() => ({ release: { put: [release] } }))
    for (const event of events.slice(1)) await publish(ports, event)
    const paths = Object.keys(await listed())
    const kept = [running, ...events.slice(-256)].map(({ artifact }) => policyTarget(artifact))
    assert.deepEqual(paths.sort(), kept.sort())
  })

  const broken: [string, string, (store: ReturnType<typeof memoryStore>, key: string) => void][] = [
    ['is not there', 'artifact-missing', (store, key) => store.objects.delete(key)],
    ['was changed', 'artifact-tampered', (store, key) => store.objects.set(key, Buffer.from('{}'))],
  ]
  for (const [what, code, breakIt] of broken) {
    for (const part of ['artifact', 'provenance'] as const) {
      it(`lists nothing when the ${part} ${what}`, async () => {
        const { ports, store, build, listed, sent } = await world()
        const event = await build(1)
        breakIt(store, blobKey(event[part]))
        await assert.rejects(
          publish(ports, event),
          (error) => error instanceof Failure && error.code === code,
        )
        assert.deepEqual([await listed(), sent], [{}, []])
      })
    }
  }
})
