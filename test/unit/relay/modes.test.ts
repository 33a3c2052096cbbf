import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addressBytes } from '../../../agent/adapters/address-bytes.ts'
import { chooseMode, type ListenerFacts, type ModeChoice } from '../../../agent/modes.ts'
import { planModes } from '../../../agent/relay/mode-keeper.ts'
import type { Workload } from '../../../pipelines/policy/model.ts'

const [BLOCKS, POLLS, UNKNOWN]: ListenerFacts[] = [
  { blocking: true },
  { blocking: false },
  { blocking: null },
]

const NODE = { relayWorks: true, countsQueued: true }

test('where the kernel miscounts what is queued, nothing is let in unless it is declared', () => {
  const node = { relayWorks: true, countsQueued: false }
  assert.deepEqual(chooseMode('auto', [], node), { mode: 'refuse', reason: 'kernel-miscounts' })
  assert.deepEqual(chooseMode('kernel', [], node), { mode: 'kernel', reason: 'declared' })
})

const CHOICES: [string, Workload['mode'], (ListenerFacts | undefined)[], boolean, ModeChoice][] = [
  [
    'a declared kernel wins over a server that blocks',
    'kernel',
    [BLOCKS],
    true,
    { mode: 'kernel', reason: 'declared' },
  ],
  ['a declared refusal wins over all', 'refuse', [POLLS], true, { mode: 'refuse', reason: 'declared' }],
  ['a declared relay is the relay', 'relay', [POLLS], true, { mode: 'relay', reason: 'declared' }],
  [
    'a declared relay is refused where there is none',
    'relay',
    [POLLS],
    false,
    { mode: 'refuse', reason: 'no-relay' },
  ],
  [
    'a server that polls is the kernel’s',
    'auto',
    [POLLS],
    true,
    { mode: 'kernel', reason: 'server-does-not-block' },
  ],
  [
    'one listener of several that blocks decides',
    'auto',
    [POLLS, BLOCKS],
    true,
    { mode: 'relay', reason: 'server-blocks-in-recv' },
  ],
  [
    'a server nobody could look at gets the relay',
    'auto',
    [POLLS, UNKNOWN],
    true,
    { mode: 'relay', reason: 'server-unknown' },
  ],
  [
    'without a relay a server that blocks is refused',
    'auto',
    [BLOCKS],
    false,
    { mode: 'refuse', reason: 'no-relay' },
  ],
  [
    'without a relay an unknown server is refused',
    'auto',
    [UNKNOWN],
    false,
    { mode: 'refuse', reason: 'no-relay' },
  ],
  ['where nobody listens the kernel waits', 'auto', [], false, { mode: 'kernel', reason: 'no-listener' }],
]
for (const [sentence, declared, listeners, relayWorks, choice] of CHOICES)
  test(sentence, () =>
    assert.deepEqual(
      chooseMode(
        declared,
        listeners.filter((one) => one !== undefined),
        { relayWorks, countsQueued: null },
      ),
      choice,
    ),
  )

const workload = (name: string, ...addresses: string[]): Workload => ({
  name,
  namespace: 'shop',
  labels: {},
  addresses,
  mode: 'auto',
})
const at = (address: string, port: number, blocking: boolean) => ({
  address: addressBytes(address),
  port,
  blocking,
})

test('a listener at every address belongs to every workload, one at an address to that workload only', () => {
  const everywhere = { address: new Uint8Array(16), port: 8000, blocking: true }
  const plan = planModes(
    [workload('a', '10.0.0.1', 'fd00::1'), workload('b', '10.0.0.2')],
    [everywhere, at('10.0.0.2', 80, false)],
    NODE,
  )
  assert.deepEqual(
    plan.services.map(({ address, port }) => [Buffer.from(address).toString('hex'), port]),
    [
      [addressBytes('10.0.0.1').toString('hex'), 8000],
      [addressBytes('fd00::1').toString('hex'), 8000],
      [addressBytes('10.0.0.2').toString('hex'), 8000],
      [addressBytes('10.0.0.2').toString('hex'), 80],
    ],
  )
})

test('0.0.0.0 is every address', () => {
  const plan = planModes([workload('a', '10.0.0.1')], [at('0.0.0.0', 80, true)], NODE)
  assert.deepEqual(plan.choices, { 'shop/a': { mode: 'relay', reason: 'server-blocks-in-recv' } })
})

test('another workload’s listener changes nothing', () => {
  const plan = planModes([workload('a', '10.0.0.1')], [at('10.0.0.2', 80, true)], NODE)
  assert.deepEqual(plan.choices, { 'shop/a': { mode: 'kernel', reason: 'no-listener' } })
  assert.deepEqual(plan.services, [])
})
