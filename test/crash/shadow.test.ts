/**
 * kill -9 between any two acts of an agent that begins, changes or ends a shadow, or takes a release meanwhile. What is
 * enforced is the old release or the new one; the shadow is off, or the artifact that the node remembers looks on;
 * and the next start goes on from there.
 */
import assert from 'node:assert/strict'
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { restore } from '../../agent/confirm.ts'
import { reconcile } from '../../agent/reconcile.ts'
import type { Digest } from '../../pipelines/contract/artifact.ts'
import { type KernelContent, memoryKernel } from '../fakes/memory-kernel.ts'
import { type Fleet, nodeFleet } from '../fakes/node-fleet.ts'
import { tablesOf, testElf } from '../fakes/test-elf.ts'

/** Each death is a copy of a node and two starts: by default every n-th act. */
const STEP = process.env['HEDDLE_DEEP'] === '1' ? 1 : 5

type Moment = { directory: string; content: KernelContent }

let fleet: Fleet
let scratch: string
let artifacts: Record<'old' | 'new' | 'candidate' | 'other', Digest>
const tables = (name: string) => tablesOf(testElf('', name))

before(async () => {
  fleet = await nodeFleet()
  scratch = await mkdtemp(join(tmpdir(), 'heddle-shadow-crash-'))
  artifacts = {
    old: await fleet.artifact('old'),
    new: await fleet.artifact('new'),
    candidate: await fleet.artifact('candidate'),
    other: await fleet.artifact('other'),
  }
  await fleet.published.release('canary', 1, artifacts.old)
  await fleet.pass()
})
after(async () => {
  await fleet.close()
  await rm(scratch, { recursive: true, force: true })
})

const tablesIn = (content: KernelContent, slot: number | undefined) =>
  content.slots[slot ?? -1]?.tablesDigest ?? null
const enforced = (content: KernelContent) => tablesIn(content, content.active?.slot)
const looking = (content: KernelContent) => content.shadow && tablesIn(content, content.shadow.candidate)

async function copyOf({ directory, content }: Moment): Promise<Moment> {
  const copy = await mkdtemp(join(scratch, 'node-'))
  await cp(directory, copy, { recursive: true })
  return { directory: copy, content: structuredClone(content) }
}

/** The agent dies before this act: nothing that it would do afterwards happens. */
async function live({ directory, content }: Moment, dieBefore = Number.POSITIVE_INFINITY): Promise<boolean> {
  let acts = 0
  const act = () => {
    if (acts++ >= dieBefore) throw new Error('dead')
  }
  const kernel = memoryKernel({ before: act, after: act }, content)
  const node = await fleet.node({ directory, before: act, kernel })
  await restore(node).catch(() => {})
  await reconcile(node, 0)
  return acts > dieBefore
}

type Wish = { enforced: string; looking: string | null }

/** Dies at each act in turn, from the moment on; `may` = what may run afterwards, the first is what must in the end. */
async function dieAnywhere(from: Moment, may: Wish[]): Promise<void> {
  const [wanted] = may
  assert.ok(wanted)
  let died = true
  for (let acts = 0; died; acts += STEP) {
    const moment = await copyOf(from)
    died = await live(moment, acts)
    const { content } = moment
    const is = { enforced: enforced(content), looking: looking(content) }
    assert.ok(
      may.some((wish) => wish.enforced === is.enforced && [wish.looking, null].includes(is.looking)),
      `after act ${acts}: ${JSON.stringify(is)}`,
    )
    await live(moment)
    assert.deepEqual({ enforced: enforced(content), looking: looking(content) }, wanted, `after act ${acts}`)
    assert.equal(content.shadow === null || content.shadow.active === content.active?.slot, true)
    const slots = Object.values(content.slots).length
    assert.ok(slots <= (wanted.looking === null ? 2 : 3), `after act ${acts}: ${slots} slots are taken`)
    await rm(moment.directory, { recursive: true })
  }
}

/** The node as it is now, and what it runs from here on is published. */
async function now(): Promise<Moment> {
  return copyOf({ directory: fleet.directory, content: fleet.kernel.content })
}

test('killed between any two acts while a shadow begins, changes, meets a release, and ends', async () => {
  const { published } = fleet
  const plain = { enforced: tables('old'), looking: null }
  const shadowed = { enforced: tables('old'), looking: tables('candidate') }
  const changed = { enforced: tables('old'), looking: tables('other') }
  const released = { enforced: tables('new'), looking: tables('other') }
  const ended = { enforced: tables('new'), looking: null }

  let moment = await now()
  await published.shadow('canary', 2, artifacts.candidate)
  await dieAnywhere(moment, [shadowed, plain])
  await fleet.pass()

  moment = await now()
  await published.shadow('canary', 3, artifacts.other)
  await dieAnywhere(moment, [changed, shadowed])
  await fleet.pass()

  moment = await now()
  await published.release('canary', 4, artifacts.new)
  await dieAnywhere(moment, [released, changed])
  await fleet.pass()

  moment = await now()
  await published.shadow('canary', 3, null)
  await dieAnywhere(moment, [ended, released])
})
