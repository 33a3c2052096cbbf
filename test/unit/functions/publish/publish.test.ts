import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { getBlob, putBlob, putJson } from '../../../../functions/blobs.ts'
import { LogReader } from '../../../../functions/log/log-reader.ts'
import { namedLog, namedLogWriter } from '../../../../functions/log/named-log.ts'
import { publish } from '../../../../functions/publish/publish.ts'
import { loadCurrent } from '../../../../functions/trust/repository-state.ts'
import type { Digest, Manifest } from '../../../../pipelines/contract/artifact.ts'
import { Failure } from '../../../../pipelines/contract/failures.ts'
import { logEntryBytes } from '../../../../pipelines/contract/log.ts'
import {
  blobKey,
  PolicyCustom,
  policyTarget,
  releaseTarget,
} from '../../../../pipelines/contract/object-keys.ts'
import { provenIn } from '../../../../pipelines/log/checkpoint.ts'
import { fakeCode } from '../../../fakes/compiler.ts'
import { freshSigner } from '../../../fakes/forger.ts'
import { initRepository } from '../../../fakes/init-repository.ts'
import { memoryKeys, systemClock } from '../../../fakes/keys.ts'
import { memoryStatuses } from '../../../fakes/memory-forge.ts'
import { memoryStore } from '../../../fakes/memory-store.ts'
import { publishedRepository } from '../../../fakes/published-repository.ts'

const NONE: Digest = `sha256:${'0'.repeat(64)}`

async function world() {
  const store = memoryStore()
  const { repository, keys, root } = await publishedRepository({
    store,
    code: {},
    dispatcher: new Uint8Array(1),
  })
  const sent: unknown[] = []
  const queue = {
    send: async (event: unknown) => {
      sent.push(event)
    },
  }
  const entries = namedLogWriter({ store, signers: keys.log.signers, trustedRoot: root })
  const ports = { store, repository, queue, statuses: memoryStatuses(), entries }
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
  return { store, root, repository, ports, sent, build, listed, log: () => namedLog(store, root) }
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

  it('logs before it lists: what the log does not take, nobody can be told to run', async () => {
    const { ports, build, listed, sent } = await world()
    const event = await build(1)
    const append = async () => {
      throw new Failure('log-damaged', 'a tile is not that of the checkpoint')
    }
    await assert.rejects(publish({ ...ports, entries: { append } }, event), { code: 'log-damaged' })
    assert.deepEqual([await listed(), sent], [{}, []])
  })

  it('delivered twice is logged once, and the listed proof shows the entry', async () => {
    const { ports, store, build, listed, log } = await world()
    const event = await build(1)
    await publish(ports, event)
    await publish(ports, await build(2))
    await publish(ports, event)
    const { artifact, provenance, commit } = event
    const custom = PolicyCustom.parse((await listed())[policyTarget(artifact)]?.custom)
    const proof = Buffer.from(await getBlob(store, custom.proof ?? NONE)).toString()
    const shown = provenIn(await log(), logEntryBytes({ artifact, provenance, commit }), proof)
    assert.equal(shown?.size, 1)
    assert.equal((await new LogReader(store, await log()).checkpoint())?.size, 2)
  })

  it('refuses by name when the code key names no log, or one of other keys', async () => {
    const { ports, store, root, build, listed } = await world()
    const event = await build(1)
    const others = namedLogWriter({ store, signers: [freshSigner()], trustedRoot: root })
    await assert.rejects(publish({ ...ports, entries: others }, event), { code: 'metadata-untrusted' })
    const keys = memoryKeys()
    const bare = memoryStore()
    const trustedRoot = await initRepository(bare, keys, fakeCode, systemClock)
    const none = namedLogWriter({ store: bare, signers: keys.log.signers, trustedRoot })
    await assert.rejects(publish({ ...ports, entries: none }, event), { code: 'metadata-untrusted' })
    assert.deepEqual(await listed(), {})
  })

  it('keeps the newest artifacts and those that a ring is told to run', async () => {
    const { ports: all, repository, store, build, listed } = await world()
    const ports = { ...all, entries: { append: async () => 'a proof' } }
    const events = await Promise.all(Array.from({ length: 260 }, (_, index) => build(index)))
    const [running, ...later] = events
    assert.ok(running)
    await publish(ports, running)
    const custom = { artifact: running.artifact }
    const release = { path: releaseTarget('ring-0'), bytes: Buffer.from('{}'), custom }
    // All but the last ten at once, as if they had been published in turn: one by one that takes seconds.
    const own = PolicyCustom.parse((await listed())[policyTarget(running.artifact)]?.custom)
    const put = later.slice(0, -10).map(({ artifact }, index) => {
      const path = policyTarget(artifact)
      const bytes = store.objects.get(blobKey(artifact)) as Uint8Array
      return { path, bytes, custom: { ...own, order: index + 2 } }
    })
    await repository.update(() => ({ release: { put: [release] }, policy: { put } }))
    for (const event of later.slice(-10)) await publish(ports, event)
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
