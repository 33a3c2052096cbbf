/** What every attack begins with, and what a node under attack must do: refuse, by the right name, and go on. */
import assert from 'node:assert/strict'
import { afterEach, beforeEach } from 'node:test'
import type { Digest } from '../../../../pipelines/contract/artifact.ts'
import { type Fleet, nodeFleet } from '../../../fakes/node-fleet.ts'

/** Live for the test that runs: a node of ring canary, and the artifact that it runs. */
export let fleet: Fleet
export let one: Digest

/** Before each test of the file: a fresh node that runs release `number` of artifact `one`. */
export function eachTestAt(number: number): void {
  beforeEach(async () => {
    fleet = await nodeFleet()
    one = await fleet.artifact('one')
    await fleet.published.release('canary', number, one)
    assert.equal((await fleet.pass()).outcome, 'enforced')
  })
  afterEach(() => fleet.close())
}

/** A pass of a freshly started agent refuses by this code, loads nothing, and what ran goes on. */
export async function refused(code: string, options: Parameters<Fleet['pass']>[0] = {}): Promise<void> {
  const calls = fleet.kernel.calls.length
  const active = structuredClone(fleet.kernel.content.active)
  const report = await fleet.pass(options)
  assert.equal(report.failure?.code, code, report.failure?.message)
  assert.notEqual(report.outcome, 'enforced')
  assert.equal(report.generation, active?.generation ?? null)
  assert.deepEqual(fleet.kernel.content.active, active)
  const loads = fleet.kernel.calls.slice(calls).filter((call) => /^(stage|flip|install)/.test(call))
  assert.deepEqual(loads, [])
}
