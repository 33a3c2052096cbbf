/** What a node under attack must do: refuse, by the right name, and go on. */
import assert from 'node:assert/strict'
import type { Digest } from '../../../../pipelines/contract/artifact.ts'
import type { Fleet } from '../../../fakes/node-fleet.ts'
import { nodeFleet } from '../../../fakes/node-fleet.ts'

/** A node of ring canary that runs release `number` of artifact `one`. */
export async function fleetAt(number: number): Promise<{ fleet: Fleet; one: Digest }> {
  const fleet = await nodeFleet()
  const one = await fleet.artifact('one')
  await fleet.published.release('canary', number, one)
  assert.equal((await fleet.pass()).outcome, 'enforced')
  return { fleet, one }
}

/** A pass of a freshly started agent refuses by this code, loads nothing, and what ran goes on. */
export async function assertRefused(
  fleet: Fleet,
  code: string,
  options: Parameters<Fleet['pass']>[0] = {},
): Promise<void> {
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
