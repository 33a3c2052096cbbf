/** Agent, artifact, dispatcher and live maps: which ABIs may meet, and what is said where they may not. */
import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { checkSkew, checkSpoken, dispatcherAbi } from '../../../agent/skew.ts'
import type { AttachedFacts } from '../../../agent/ports.ts'
import { Abi } from '../../../bpf/abi/heddle.gen.ts'
import { DISPATCHER_TARGET } from '../../../pipelines/contract/object-keys.ts'
import { type Fleet, nodeFleet } from '../../fakes/node-fleet.ts'
import { testElf } from '../../fakes/test-elf.ts'

const OURS: number = Abi.ABI
const attached = (abi: number | null): AttachedFacts => ({
  dispatcher: null,
  abi,
  hooks: {},
  draining: [],
  active: null,
  slots: [],
})

const spoken: [number, boolean][] = [
  [OURS - 2, false],
  [OURS - 1, true],
  [OURS, true],
  [OURS + 1, true],
  [OURS + 2, false],
]
for (const [abi, allowed] of spoken)
  test(`ABI ${abi} is ${allowed ? '' : 'not '}spoken by an agent of ABI ${OURS}`, () => {
    if (allowed) checkSpoken('the artifact', abi)
    else assert.throws(() => checkSpoken('the artifact', abi), { code: 'abi-mismatch' })
  })

const meetings: [string, number, number, AttachedFacts | null, string | null][] = [
  ['a fresh kernel', 1, 1, null, null],
  ['a fresh kernel and the next ABI', 2, 2, null, null],
  ['the ABI that is attached', 2, 2, attached(2), null],
  ['an artifact ahead of its dispatcher', 2, 1, null, 'abi-mismatch'],
  ['an artifact behind its dispatcher', 1, 2, attached(2), 'abi-mismatch'],
  ['live maps of the ABI before', 2, 2, attached(1), 'abi-mismatch'],
  ['live maps of the ABI after: a rollback', 1, 1, attached(2), 'abi-mismatch'],
  ['something attached that does not say its ABI', 1, 1, attached(null), 'dispatcher-unknown'],
]
for (const [name, artifact, dispatcher, facts, code] of meetings)
  test(`${name}: ${code ?? 'taken'}`, () => {
    if (code === null) checkSkew(artifact, dispatcher, facts)
    else assert.throws(() => checkSkew(artifact, dispatcher, facts), { code })
  })

test('a dispatcher that does not name its ABI is no code that may be loaded', () => {
  assert.equal(dispatcherAbi(testElf('d', '', 7)), 7)
  const nameless = Buffer.from(testElf('d', ''))
  nameless.write('x', nameless.indexOf('.rodata.abi') + 1)
  assert.throws(() => dispatcherAbi(nameless), { code: 'code-untrusted' })
})

describe('a node', () => {
  let fleet: Fleet
  beforeEach(async () => {
    fleet = await nodeFleet()
  })
  afterEach(() => fleet.close())

  async function release(number: number, abi: number) {
    await fleet.published.putCode({ path: DISPATCHER_TARGET, bytes: testElf('dispatcher', '', abi) })
    await fleet.published.release('canary', number, await fleet.artifact(`tables ${number}`, { abi }))
    return fleet.pass()
  }

  test('takes the next ABI where nothing is attached, and nothing else after it', async () => {
    assert.equal((await release(1, OURS + 1)).outcome, 'enforced')
    Object.assign(fleet.kernel.content, { abi: OURS + 1 })
    const before = structuredClone(fleet.kernel.content)
    const back = await release(2, OURS)
    assert.equal(back.outcome, 'refused')
    assert.equal(back.failure?.code, 'abi-mismatch')
    assert.match(back.failure?.message ?? '', /heddle node detach/)
    assert.deepEqual(fleet.kernel.content, before)
    assert.equal((await release(3, OURS + 1)).outcome, 'enforced')
  })

  test('refuses an ABI that it does not speak, before it loads anything', async () => {
    const report = await release(1, OURS + 2)
    assert.equal(report.failure?.code, 'abi-mismatch')
    assert.deepEqual(fleet.kernel.calls, [])
  })
})
