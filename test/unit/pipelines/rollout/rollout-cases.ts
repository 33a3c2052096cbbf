/** Plans, reports and a small driver for tests of the rollout's decisions. */
import type { Digest } from '../../../../pipelines/contract/artifact.ts'
import type { Measures, Report } from '../../../../pipelines/contract/release.ts'
import { begin } from '../../../../pipelines/rollout/begin.ts'
import { obey, type RolloutCommand } from '../../../../pipelines/rollout/command.ts'
import { RolloutPlan } from '../../../../pipelines/rollout/plan.ts'
import { NO_ROLLOUT, type RolloutState } from '../../../../pipelines/rollout/state.ts'
import { observe, step } from '../../../../pipelines/rollout/step.ts'

export const digestOf = (letter: string): Digest => `sha256:${letter.repeat(64)}`
export const commitOf = (letter: string): string => letter.repeat(40)

export const planOf = (fields: Partial<Parameters<typeof RolloutPlan.parse>[0] & object> = {}): RolloutPlan =>
  RolloutPlan.parse({
    rings: [
      { name: 'canary', nodes: ['a'] },
      { name: 'rest', nodes: ['b', 'c'] },
    ],
    soakMs: 100,
    ...fields,
  })

export const measured = (fields: Partial<Measures> = {}): Measures => ({
  from: 0,
  to: 1,
  judged: 100,
  refused: 0,
  unintended: 0,
  responses: 100,
  errors: 0,
  latency: [0, 0, 100],
  trips: 0,
  ...fields,
})

/** A fleet whose time and words a test decides on; after each of them the rollout takes its steps. */
export function fleet(plan: RolloutPlan) {
  let state: RolloutState = NO_ROLLOUT
  let sequence = 0
  let commands = 0
  const it = {
    plan,
    now: 1000,
    frozenUntil: null as number | null,
    get state() {
      return state
    },
    get current() {
      return state.current
    },
    /** Ring → number that it is told to run. */
    get told() {
      return Object.fromEntries(Object.entries(state.released).map(([ring, { number }]) => [ring, number]))
    },
    step(): number | null {
      const next = step(state, plan, { now: it.now, frozenUntil: it.frozenUntil })
      state = next.state
      return next.until
    },
    publish(letter: string) {
      state = begin(state, plan, { commit: commitOf(letter), artifact: digestOf(letter) }, it.now)
      return it.step()
    },
    say(node: string, fields: Partial<Report> = {}) {
      sequence++
      const ring = plan.rings.find(({ nodes }) => nodes.includes(node))?.name ?? 'nowhere'
      const released = state.released[ring]
      const report: Report = {
        schema: 'heddle.report/1',
        node,
        ring,
        at: new Date(it.now).toISOString(),
        sequence,
        outcome: 'enforced',
        number: released?.number ?? null,
        artifact: released?.artifact ?? null,
        generation: 1,
        failure: null,
        timings: {},
        shadow: null,
        measures: null,
        ...fields,
      }
      state = observe(state, plan, report, it.now)
      return it.step()
    },
    wait(milliseconds: number) {
      it.now += milliseconds
      return it.step()
    },
    command(verb: RolloutCommand['verb'], fields: Partial<RolloutCommand> = {}) {
      commands++
      const command: RolloutCommand = {
        schema: 'heddle.command/1',
        id: `command-${commands}`,
        verb,
        rollout: verb === 'stop' || verb === 'start' ? null : (state.current?.id ?? null),
        to: null,
        why: '',
        at: it.now,
        ...fields,
      }
      state = obey(state, plan, { command, by: 'ada', now: it.now })
      it.step()
      return state.commanded.at(-1)?.refused ?? null
    },
    /** Publishes and lets every ring soak with it. */
    complete(letter: string) {
      it.publish(letter)
      for (const ring of plan.rings) {
        for (const node of ring.nodes) it.say(node)
        it.wait(plan.soakMs)
      }
    },
  }
  return it
}
