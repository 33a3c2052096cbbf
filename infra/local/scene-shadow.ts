/** Scene: the harmful policy in shadow first. The kernel tells what it would have refused; nobody notices. */
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { harmfulPolicy, POLICY_FILE } from './demo-policies.ts'
import { rolloutOf, within } from './observe.ts'
import { HARMED_LANE } from './scene-push.ts'
import type { Stack } from './stack.ts'
import type { Timeline } from './timeline.ts'

const HEDDLE = fileURLToPath(new URL('../cli/main.js', import.meta.url))
const DEADLINE_MS = 30_000
/** New refusals that are enough to see what they are. */
const SEEN = 3

export async function shadowHarmfulPolicy(stack: Stack, timeline: Timeline): Promise<void> {
  const heddle = async (...args: string[]) => {
    const { exitCode, all } = await execa(
      process.execPath,
      [HEDDLE, 'rollout', ...args, '--stack', stack.dir],
      {
        reject: false,
        all: true,
      },
    )
    return { done: exitCode === 0, said: all }
  }
  timeline.promise(
    (await heddle('stop', '--why', 'a look first')).done,
    'heddle rollout stop: no ring takes anything',
  )
  // The push does not wait for a ring that nobody lets go on.
  const pushing = stack.cloud.clone.push(
    { [POLICY_FILE]: harmfulPolicy('a first try') },
    'Let web read items',
  )
  const number = ((await rolloutOf(stack.cloud.store))?.number ?? 0) + 1
  const waits = await within(
    DEADLINE_MS,
    async () => (await rolloutOf(stack.cloud.store))?.current?.number === number || undefined,
  )
  timeline.promise(waits === true, `release ${number} waits`)
  timeline.promise(
    (await heddle('shadow')).done,
    'heddle rollout shadow: ring 0 lets it judge, too, without effect',
  )
  const seen = await within(DEADLINE_MS, async () => {
    const facts = Object.values((await rolloutOf(stack.cloud.store))?.nodes ?? {})
    return (
      facts.find(({ shadow }) => shadow?.number === number && shadow.unintended >= SEEN)?.shadow ?? undefined
    )
  })
  timeline.quote((await heddle('status')).said)
  const path = seen?.samples.find(({ kind }) => kind === 'new-deny')?.request?.path ?? 'nothing'
  timeline.promise(
    seen != null && path.startsWith('/public/orders'),
    `${seen?.unintended ?? 0} requests would have been refused, like GET ${path}; ${seen?.agree ?? 0} verdicts are the same`,
  )
  const refused = (await stack.client.stats()).filter(
    ({ name, status }) => name === HARMED_LANE && (status[403] ?? 0) > 0,
  )
  timeline.promise(refused.length === 0, 'not one of them was')
  const aborted = await heddle('abort', '--why', 'it refuses orders')
  timeline.promise(aborted.done && (await heddle('start')).done, 'heddle rollout abort, heddle rollout start')
  await pushing
}
