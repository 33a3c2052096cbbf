/** What every lane must have said: the table of cases, one test a line. */
import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import { CASES, type Case, DETACH, type Expectation, FAMILIES, type Family, type Line } from './cases.ts'

import {
  CALL_CASES,
  CALL_FAMILIES,
  type CallCase,
  type CallFamily,
  CALLS,
  NO_RELAY,
  PAST,
  PAST_FAMILIES,
  PAST_RELAY,
  REFUSED,
} from './outbound-cases.ts'

const HOOKS = [
  ...[
    'cgroup_egress',
    'cgroup_ingress',
    'client_msg_verdict',
    'client_stream_verdict',
    'connect4',
    'connect6',
  ],
  ...['getpeername4', 'getpeername6', 'msg_verdict', 'remote_stream_verdict', 'sock_ops', 'stream_verdict'],
]

type Run = () => Promise<Line[] | string>

/** Runs the lane once, then asserts each line; a string from `run` is why it is skipped. */
export function checkLane(name: string, run: Run, release: RegExp): void {
  describe(name, () => {
    let lines: Line[] = []
    let absent: string | undefined
    before(async () => {
      const said = await run()
      if (typeof said === 'string') absent = said
      else lines = said
    })
    const check = (says: string, body: () => void) =>
      test(says, (context) => (absent === undefined ? body() : context.skip(absent)))

    check('the driver came to its end', () => {
      const failure = lines.find((line) => line.kind === 'failed')
      assert.equal(failure?.message, undefined)
      assert.equal(lines.at(-1)?.kind, 'done')
    })
    check('it ran on the kernel that it is meant for', () => {
      const kernel = lines.find((line) => line.kind === 'kernel')
      assert.match(kernel?.release ?? '', release)
    })
    check('all hooks are attached, and a flip is seen in the kernel', () => {
      const attached = lines.find((line) => line.kind === 'attached')
      assert.deepEqual(attached?.hooks, HOOKS)
      assert.deepEqual(attached?.active, { slot: 0, generation: 1 })
    })
    check('without a generation a connection is closed', () =>
      checkSyn(lines, 'nothing staged: closed', 'IPv4'),
    )
    for (const family of FAMILIES) {
      check(`${family}: a peer that no policy selects is dropped`, () =>
        checkSyn(lines, 'a peer that no policy selects: dropped', family),
      )
      for (const what of CASES) check(`${family}: ${what.name}`, () => checkCase(lines, what, family))
    }
    check(DETACH.name, () => checkCase(lines, DETACH, 'IPv4'))
    check('after a detach nothing is installed', () => {
      assert.equal(lines.find((line) => line.kind === 'detached')?.installed, false)
    })
    for (const family of CALL_FAMILIES) {
      for (const what of NO_RELAY)
        check(`${family}: ${what.name}`, () => checkCall(lines, what, family, REFUSED))
      for (const what of CALL_CASES)
        check(`calls, ${family}: ${what.name}`, () => checkCall(lines, what, family, CALLS[family].peer))
    }
    for (const family of PAST_FAMILIES)
      check(`calls, ${family}: ${PAST_RELAY.name}`, () =>
        checkCall(lines, PAST_RELAY, family, `${PAST[family]} 80`),
      )
  })
}

function checkSyn(lines: Line[], name: string, family: Family): void {
  const line = lines.find((said) => said.kind === 'syn' && said.name === name && said.family === family)
  assert.ok(line?.kind === 'syn', 'the driver did not say')
  assert.equal(line.connected, false)
  assert.deepEqual(Object.values(line.counted), [1])
}

function checkCase(lines: Line[], what: Case, family: Family): void {
  const line = lines.find((said) => said.kind === 'case' && said.name === what.name && said.family === family)
  assert.ok(line?.kind === 'case', 'the driver did not say')
  assert.deepEqual(line.saw, what.expect satisfies Expectation)
}

function checkCall(lines: Line[], what: CallCase, family: CallFamily, peer: string): void {
  const line = lines.find((said) => said.kind === 'call' && said.name === what.name && said.family === family)
  assert.ok(line?.kind === 'call', 'the driver did not say')
  assert.deepEqual(line.saw, { peer, ...what.expect })
}
