import assert from 'node:assert/strict'
import { beforeEach, describe, it } from 'node:test'
import { type Renewed, renewal } from '../../../../functions/bus/renewal.ts'
import type { BusIssuer } from '../../../../functions/ports.ts'
import type { BusMember } from '../../../../pipelines/contract/bus-members.ts'
import { Failure } from '../../../../pipelines/contract/failures.ts'
import { BUS_MEMBERS_KEY, busJwtKey } from '../../../../pipelines/contract/object-keys.ts'
import { manualClock } from '../../../fakes/keys.ts'
import { memoryStore } from '../../../fakes/memory-store.ts'

const LIFE_MS = 1_000
const member = (node: string, ring = 'canary'): BusMember => ({ node, ring, nkey: `U${'A'.repeat(55)}` })

/** What is issued says of whom, and until when. */
const issuer = {
  members(list) {
    const text = Buffer.from(list).toString()
    if (!text.startsWith('signed ')) throw new Failure('metadata-untrusted', 'not signed')
    return JSON.parse(text.slice('signed '.length))
  },
  issue: async (of, endsAt) => Buffer.from(JSON.stringify([of, endsAt.getTime()])),
  endOf(issued, of) {
    const [whose, ends] = JSON.parse(Buffer.from(issued).toString())
    return JSON.stringify(whose) === JSON.stringify(of) ? ends : undefined
  },
} satisfies BusIssuer

describe('renewal of what nodes show to the bus', () => {
  let store: ReturnType<typeof memoryStore>
  let clock: ReturnType<typeof manualClock>
  let renew: () => Promise<Renewed>
  const seat = (...members: BusMember[]) =>
    store.objects.set(BUS_MEMBERS_KEY, Buffer.from(`signed ${JSON.stringify(members)}`))
  const shown = (node: string) => Buffer.from(store.objects.get(busJwtKey(node)) ?? []).toString()
  beforeEach(() => {
    store = memoryStore()
    clock = manualClock()
    renew = renewal({ store, issuer, clock }, LIFE_MS)
  })

  it('gives every member one, and the next when half of its life is over', async () => {
    assert.deepEqual(await renew(), { members: 0, issued: 0 })
    seat(member('a'), member('b'))
    const rows: [number, number][] = [
      [0, 2],
      [0, 0],
      [499, 0],
      [1, 2],
      [500, 2],
    ]
    for (const [after, issued] of rows) {
      clock.advance(after)
      assert.deepEqual(await renew(), { members: 2, issued })
    }
  })

  it('leaves what another process has made, and makes what is of another key, ring or issuer anew', async () => {
    seat(member('a'))
    await renew()
    const other = renewal({ store, issuer, clock }, LIFE_MS)
    assert.equal((await other()).issued, 0)
    seat(member('a', 'prod'))
    assert.equal((await other()).issued, 1)
    assert.match(shown('a'), /prod/)
  })

  it('stops for who is no member any more', async () => {
    seat(member('a'), member('b'))
    await renew()
    seat(member('b'))
    const before = shown('a')
    clock.advance(LIFE_MS)
    assert.deepEqual(await renew(), { members: 1, issued: 1 })
    assert.equal(shown('a'), before)
  })

  it('refuses a list that nobody has signed', async () => {
    store.objects.set(BUS_MEMBERS_KEY, Buffer.from(JSON.stringify([member('thief')])))
    await assert.rejects(renew(), { code: 'metadata-untrusted' })
    assert.equal(shown('thief'), '')
  })

  it('gives way to who was faster', async () => {
    seat(member('a'))
    const { replace } = store
    store.replace = async () => {
      throw new Failure('store-conflict', 'faster')
    }
    assert.equal((await renew()).issued, 0)
    store.replace = replace
    assert.equal((await renew()).issued, 1)
  })

  it('takes a large fleet in parts, none of them twice', async () => {
    seat(...Array.from({ length: 1_200 }, (_, index) => member(`n${index}`)))
    const parts = [await renew(), await renew(), await renew(), await renew()]
    assert.deepEqual(
      parts.map(({ issued }) => issued),
      [500, 500, 200, 0],
    )
  })
})
