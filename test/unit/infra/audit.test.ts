/** heddle audit, link by link: each break is named, and none is passed over. */
import assert from 'node:assert/strict'
import { afterEach, beforeEach, test } from 'node:test'
import { blobKey } from '../../../pipelines/contract/object-keys.ts'
import type { Chain } from '../../../infra/audit/chain.ts'
import { audit } from '../../../infra/node/audit.ts'
import { addKey, forger, freshSigner, type Signed } from '../../fakes/forger.ts'
import { type Fleet, nodeFleet } from '../../fakes/node-fleet.ts'
import { memoryKeys } from '../../fakes/keys.ts'
import { publishedRepository } from '../../fakes/published-repository.ts'
import { memoryStore } from '../../fakes/memory-store.ts'

let fleet: Fleet
beforeEach(async () => {
  fleet = await nodeFleet()
  await fleet.published.release('canary', 1, await fleet.artifact('one'))
  assert.equal((await fleet.pass()).outcome, 'enforced')
})
afterEach(() => fleet.close())

async function run(pinnedRoot = Buffer.from(fleet.published.root).toString()): Promise<Chain> {
  const { state, disk, kernel, ring } = await fleet.node()
  return audit({ ring, pinnedRoot, state: state.current, disk, kernel })
}

test('from the attached programs to the commit, every link holds', async () => {
  const { links, broken } = await run()
  assert.equal(broken, null)
  assert.deepEqual(
    links.map(({ link }) => link),
    [
      'attached programs',
      'active generation',
      'artifact',
      'program bytes',
      'root of trust',
      'code signature',
      'dispatcher signature',
      'policy signature',
      'provenance signature',
      'log entry',
      'release signature',
      'commit',
    ],
  )
  assert.equal(links.at(-1)?.facts['author'], 'a@example.test')
})

test('it holds when the metadata has expired, and needs no store', async () => {
  fleet.clock.advance(400 * 24 * 3_600_000)
  fleet.store.objects.clear()
  assert.equal((await run()).broken, null)
})

test('it holds across a rotation of the root', async () => {
  const { keys, putRoot } = forger(fleet)
  const root = freshSigner()
  await putRoot([...keys.root.signers, root], (signed: Signed) => {
    signed.roles.root.keyids = [addKey(signed.keys, root)]
  })
  await fleet.published.release('canary', 2, await fleet.artifact('two'))
  assert.equal((await fleet.pass()).outcome, 'enforced')
  assert.equal((await run()).broken, null)
})

/** Change one file of the node's cache. */
async function edit(name: string, change: (text: string) => string): Promise<void> {
  const { disk } = await fleet.node()
  const bytes = await disk.read(name)
  assert.ok(bytes, `no ${name}`)
  await disk.write(name, Buffer.from(change(Buffer.from(bytes).toString('latin1')), 'latin1'))
}

async function manifestKeys(): Promise<{ manifest: string; elf: string }> {
  const { links } = await run()
  const digest = (name: string) => String(links.find(({ link }) => link === name)?.facts['digest'])
  return { manifest: blobKey(digest('artifact')), elf: blobKey(digest('program bytes')) }
}

/** Change a part of the evidence of release 1. */
async function evidence(change: (evidence: Signed) => void): Promise<void> {
  await edit('releases/1.json', (text) => {
    const parsed = JSON.parse(text)
    change(parsed)
    return JSON.stringify(parsed)
  })
}

const content = () => fleet.kernel.content
const breaks: [string, string, string, () => Promise<void> | void][] = [
  ['attached programs', 'attached-differs', 'nothing is attached', () => fleet.kernel.reboot()],
  [
    'attached programs',
    'attached-differs',
    'another dispatcher is attached',
    () => {
      content().dispatcher = 'f'.repeat(64)
    },
  ],
  [
    'active generation',
    'attached-differs',
    'somebody flipped to another generation',
    () => {
      content().active = { slot: 0, generation: 77 }
    },
  ],
  [
    'active generation',
    'attached-differs',
    'another program is in the slot',
    () => {
      for (const slot of Object.values(content().slots)) slot.elf = 'e'.repeat(64)
    },
  ],
  [
    'artifact',
    'attached-differs',
    'the tables in the kernel are others',
    () => {
      for (const slot of Object.values(content().slots)) slot.tablesDigest = `sha256:${'e'.repeat(64)}`
    },
  ],
  [
    'artifact',
    'artifact-missing',
    'the cached manifest was edited',
    async () => edit((await manifestKeys()).manifest, (text) => text.replace('shop', 'shup')),
  ],
  [
    'program bytes',
    'artifact-missing',
    'the cached program was edited',
    async () => edit((await manifestKeys()).elf, (text) => text.replace('program', 'progrum')),
  ],
  [
    'root of trust',
    'metadata-untrusted',
    'the metadata was edited',
    () =>
      evidence((parsed) => {
        parsed.metadata.policy = parsed.metadata.policy.replace('"version":', '"version": 1')
      }),
  ],
  [
    'code signature',
    'code-untrusted',
    'the code target was edited',
    () =>
      evidence((parsed) => {
        parsed.code = parsed.code.replace('small', 'smoll')
      }),
  ],
  [
    'provenance signature',
    'provenance-untrusted',
    'the provenance was edited',
    () =>
      evidence((parsed) => {
        parsed.provenance = parsed.provenance.replace('"payload":"', '"payload":"AAAA')
      }),
  ],
  [
    'log entry',
    'artifact-unlogged',
    'the proof from the log was edited',
    () =>
      evidence((parsed) => {
        parsed.logged.proof = parsed.logged.proof.replace('index 0', 'index 1')
      }),
  ],
  [
    'log entry',
    'artifact-unlogged',
    'the proof from the log is gone',
    () =>
      evidence((parsed) => {
        parsed.logged = null
      }),
  ],
  [
    'log entry',
    'code-untrusted',
    'another log has taken its place',
    () =>
      evidence((parsed) => {
        parsed.logged.log = parsed.logged.log.replace('heddle.test', 'heddle.evil')
      }),
  ],
  [
    'release signature',
    'artifact-untrusted',
    'the release was edited',
    () =>
      evidence((parsed) => {
        parsed.release = parsed.release.replace('"number":1', '"number":2')
      }),
  ],
]
for (const [link, code, name, breakIt] of breaks) {
  test(`it breaks at "${link}" when ${name}`, async () => {
    await breakIt()
    const { broken } = await run()
    assert.deepEqual({ link: broken?.link, code: broken?.code }, { link, code }, broken?.message)
  })
}

test('it breaks at the root when the pinned root is that of another fleet', async () => {
  const other = await publishedRepository({
    store: memoryStore(),
    code: {},
    dispatcher: new Uint8Array(1),
    keys: memoryKeys(),
  })
  const { broken } = await run(Buffer.from(other.root).toString())
  assert.equal(broken?.link, 'root of trust')
})
