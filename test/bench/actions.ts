/**
 * Suite `actions`: what it costs to do something to every request, by how many of them a saturated client
 * gets answers for. Every action has a node of its own; all take turns in every round, and each is divided
 * by its baseline round by round.
 */
import { cpus } from 'node:os'
import { layFoundation } from '../../infra/local/foundation.ts'
import { chooseActions, frontOf, mannerOf } from './action-cases.ts'
import { USUAL } from './cases.ts'
import { cpusBusy } from './cpu.ts'
import { LOOK_MS, WARM_UP_SECONDS } from './datapath.ts'
import type { Rounds } from './inbound.ts'
import { askOnce, compilePaced, type Load, paceWith } from './load.ts'
import { type Pinning, pinningFor } from './machine.ts'
import { atSaturation, loadFor } from './measure.ts'
import type { Mesh } from './mesh.ts'
import { whenQuiet } from './quiet.ts'
import { judge, type Judged } from './shown.ts'
import { laySites, nodesFor } from './sites.ts'
import { summaries, type Summary } from './statistics.ts'
import { takeTurns } from './turns.ts'
import { closeWays, startWays, type Way } from './ways.ts'

export type Actions = {
  cases: Judged[]
  samples: Record<string, Summary>
  facts: Record<string, unknown>
}

export async function actions(dir: string, mesh: Mesh, options: Rounds): Promise<Actions> {
  const chosen = chooseActions(options.only)
  const fronts = Object.fromEntries(chosen.actions.map((name) => [name, frontOf(name)]))
  const pinning = pinningFor(cpus().length)
  const stack = await layFoundation(dir, nodesFor(fronts))
  const ways = new Map<string, Way>()
  try {
    await startWays(stack, laySites(stack, fronts, pinning), mesh, ways)
    const pace = paceWith(await compilePaced(stack.dir))
    const quiet = whenQuiet(() => cpusBusy(LOOK_MS), LOOK_MS)
    const wayOf = (name: string) => ways.get(name) as Way
    const loadOf = (name: string, seconds: number) =>
      withManner(loadFor(wayOf(name), { ...USUAL, front: name }, seconds), name, pinning)
    const warmUp = (name: string) => pace(loadOf(name, WARM_UP_SECONDS), 0)
    for (const name of chosen.actions) {
      // A limit gives what it has to the first request, and a connection that pools take from is there for the next.
      await askOnce(loadOf(name, 1))
      await warmUp(name)
    }
    const turns = { ...options, names: chosen.actions, quiet, warmUp }
    const samples = await takeTurns(turns, 'saturation', (name) =>
      atSaturation(wayOf(name), loadOf(name, options.seconds)),
    )
    return {
      cases: chosen.cases.map((each) => judge(each, samples)),
      samples: summaries(samples),
      facts: { pinning, quiet: quiet.told() },
    }
  } finally {
    await closeWays(stack, ways)
  }
}

/** One thread has its CPU; two have the server's, too, whose share of both is the same whatever it is divided by. */
function withManner(load: Load, name: string, cpus: Pinning): Load {
  const manner = mannerOf(name)
  return { ...load, ...manner, ...((manner.threads ?? 1) > 1 && { cpus: `${cpus.load},${cpus.server}` }) }
}
