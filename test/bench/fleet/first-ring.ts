/**
 * `rollback-first-ring`: a well-formed, harmful policy under load, on the whole local stack. From the
 * gate's trip until the last node of the first ring says that it is back on what it ran.
 */
import { goodPolicy, harmfulPolicy, POLICY_FILE } from '../../../infra/local/demo-policies.ts'
import { RINGS } from '../../../infra/local/fleet.ts'
import { rolloutOf, within } from '../../../infra/local/observe.ts'
import { type Stack, up } from '../../../infra/local/stack.ts'
import { onFoundation } from '../ending.ts'
import type { Rounds } from '../inbound.ts'
import type { Sample } from '../statistics.ts'

const POLL_MS = 30_000
const SOAK_MS = 500
const DEADLINE_MS = 60_000

type Add = (name: string, sample: Sample) => void

export function firstRing(dir: string, options: Rounds, add: Add): Promise<void> {
  return onFoundation(dir, () => rollBacks(dir, options, add))
}

async function rollBacks(dir: string, { rounds, say }: Rounds, add: Add): Promise<void> {
  const stack = await up({ dir, soakMs: SOAK_MS, pollMs: POLL_MS, say })
  try {
    for (let round = 1; round <= rounds; round++) {
      // Another text each time: what is as it was is no new commit.
      const good = goodPolicy(`              - method: GET\n                path: /rounds/${round}\n`)
      const pushed = await stack.cloud.clone.push({ [POLICY_FILE]: good }, `Round ${round}`)
      await ended(stack, pushed.commit, 'done')
      add('rollback-first-ring', { ms: await rollBack(stack, round) })
    }
  } finally {
    await stack.down()
  }
}

async function rollBack(stack: Stack, round: number): Promise<number> {
  const push = await stack.cloud.clone.push(
    { [POLICY_FILE]: harmfulPolicy('round') },
    `Harm of round ${round}`,
  )
  const { endedAt } = await ended(stack, push.commit, 'rolled-back')
  const home = await within(DEADLINE_MS, async () => {
    const state = await rolloutOf(stack.cloud.store)
    return state?.current?.kind === 'rollback' && state.current.state === 'done' ? state : undefined
  })
  const facts = RINGS[0]?.nodes.map((node) => home?.nodes[node]) ?? []
  return Math.max(...facts.map((fact) => (fact === undefined ? Number.NaN : Date.parse(fact.at) - endedAt)))
}

async function ended(stack: Stack, commit: string, outcome: string): Promise<{ endedAt: number }> {
  const found = await within(DEADLINE_MS, async () =>
    (await rolloutOf(stack.cloud.store))?.ended.find((each) => each.commit === commit),
  )
  if (found?.outcome !== outcome)
    throw new Error(`the rollout of ${commit} ended ${found?.outcome ?? 'never'}`)
  return found
}
