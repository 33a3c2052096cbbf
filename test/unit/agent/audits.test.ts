/** Counts of audit rules: reported by their names, and forgotten when nobody can have them any more. */
import assert from 'node:assert/strict'
import { afterEach, beforeEach, test } from 'node:test'
import { Limit } from '../../../bpf/abi/heddle.gen.ts'
import { type Fleet, nodeFleet } from '../../fakes/node-fleet.ts'

let fleet: Fleet
beforeEach(async () => {
  fleet = await nodeFleet()
})
afterEach(() => fleet.close())

const entry = (id: string, rule: string) => ({ id, namespace: 'shop', policy: 'api', rule })
const counted = { allowed: 3, refused: 2, unread: 1 }

test('a report names the rules of what is enforced, with what they counted', async () => {
  const audits = [entry('18446744073709551615', 'seen'), entry('7', 'unseen')]
  await fleet.published.release('canary', 1, await fleet.artifact('one', { audits }))
  assert.equal((await fleet.pass()).audits, undefined)
  fleet.kernel.audited.set('18446744073709551615', counted)
  fleet.kernel.audited.set('8', counted)
  assert.deepEqual((await fleet.pass()).audits, [
    { namespace: 'shop', policy: 'api', rule: 'seen', ...counted },
    { namespace: 'shop', policy: 'api', rule: 'unseen', allowed: 0, refused: 0, unread: 0 },
  ])
})

test('a swap keeps counts while there is room, and then those of rules that are still loaded', async () => {
  await fleet.published.release('canary', 1, await fleet.artifact('one', { audits: [entry('1', 'old')] }))
  await fleet.pass()
  for (const id of ['1', '2', '3']) fleet.kernel.audited.set(id, counted)
  await fleet.published.release('canary', 2, await fleet.artifact('two', { audits: [entry('2', 'new')] }))
  await fleet.pass()
  assert.deepEqual([...fleet.kernel.audited.keys()], ['1', '2', '3'])
  for (let id = 4; id <= Limit.MAX_AUDITED / 2 + 1; id++) fleet.kernel.audited.set(String(id), counted)
  await fleet.published.release('canary', 3, await fleet.artifact('three', { audits: [entry('3', 'newer')] }))
  assert.equal((await fleet.pass()).outcome, 'enforced')
  // The predecessor is pinned: a rollback to it finds its counts.
  const kept = [...fleet.kernel.audited.keys()]
  assert.deepEqual(
    kept.filter((id) => Number(id) > 3),
    [],
  )
  assert.ok(kept.includes('2') && kept.includes('3'), kept.join())
})
