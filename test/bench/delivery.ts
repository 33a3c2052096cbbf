/**
 * Suite `delivery`: how long a push takes to be enforced on all five nodes
 * (no soak, no load), what a flip and a compilation cost, and what an agent
 * costs that has nothing to do.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { goodPolicy, POLICY_FILE, SECOND_POLICY } from '../../infra/local/demo-policies.ts'
import { enforcedBy, rolloutOf, within } from '../../infra/local/observe.ts'
import { type Stack, up } from '../../infra/local/stack.ts'
import type { PolicySet } from '../../pipelines/policy/model.ts'
import { processMilliseconds } from './cpu.ts'
import type { Rounds } from './inbound.ts'
import { residentMegabytesOf } from './memory.ts'
import { mixedRules } from './rules.ts'
import { ORIGIN_PORT } from './servers.ts'
import type { Sample } from './statistics.ts'

/** Policies in, an ELF out: what the compile stage does, without queue and store. */
export type Compile = (policies: PolicySet) => Promise<unknown>

const COMPILED_RULES = [10, 1_000, 10_000]
const ENFORCED_DEADLINE_MS = 60_000
/** An agent's own pace in a fleet: it looks every 30 s, unless a hint comes. */
const POLL_MS = 30_000
/** Long enough at rest to meet the timer, whatever --seconds says. */
const REST_SECONDS = 35

export async function delivery(
  dir: string,
  compile: Compile,
  options: Rounds,
): Promise<Map<string, Sample[]>> {
  const samples = new Map<string, Sample[]>()
  const add = (name: string, sample: Sample) => {
    samples.set(name, [...(samples.get(name) ?? []), sample])
    options.say(`${name} ${JSON.stringify(sample)}`)
  }
  const wanted = (name: string) => options.only?.test(name) ?? true
  for (const rules of COMPILED_RULES) {
    if (wanted(`compile-rules-${rules}`)) await measureCompile(compile, rules, options, add)
  }
  if (!['push-to-enforced', 'flip', 'agent-at-rest', 'agent-cpu-per-second'].some(wanted)) return samples
  const stack = await up({ dir, soakMs: 0, pollMs: POLL_MS, load: false, say: options.say })
  try {
    for (let round = 0; round < options.rounds; round++) await measurePush(stack, round, add)
    await measureRest(stack, add)
  } finally {
    await stack.down()
  }
  return samples
}

type Add = (name: string, sample: Sample) => void

async function measureCompile(compile: Compile, rules: number, options: Rounds, add: Add): Promise<void> {
  const set = mixedRules(rules, ORIGIN_PORT)
  for (let round = 0; round < options.rounds; round++) {
    const start = performance.now()
    await compile(set)
    add(`compile-rules-${rules}`, { ms: performance.now() - start })
  }
}

/** From `git push` to the moment at which the last of the five nodes enforces, by the nodes' own reports. */
async function measurePush(stack: Stack, round: number, add: Add): Promise<void> {
  const number = ((await rolloutOf(stack.cloud.store))?.current?.number ?? 0) + 1
  const text = round % 2 === 0 ? goodPolicy() : SECOND_POLICY
  const start = Date.now()
  await stack.cloud.clone.push({ [POLICY_FILE]: text }, `Round ${round + 1}`)
  const reports = await within(ENFORCED_DEADLINE_MS, async () => {
    const all = Object.values((await rolloutOf(stack.cloud.store))?.nodes ?? {})
    const enforced = all.filter((report) => report.outcome === 'enforced' && report.number === number)
    return enforced.length === stack.nodes.length ? enforced : undefined
  })
  if (reports === undefined) throw new Error(`release ${number} was not enforced everywhere`)
  const last = Math.max(...reports.map((report) => Date.parse(report.at)))
  add('push-to-enforced', { ms: last - start })
  for (const report of reports) add('flip', { ms: report.flip ?? Number.NaN })
}

/** Resident memory, and milliseconds of CPU in a second, of every agent while nothing happens. */
async function measureRest(stack: Stack, add: Add): Promise<void> {
  const agents = [...stack.agents.values()]
  const before = agents.map(({ pid }) => processMilliseconds(pid))
  const generations = stack.nodes.map((node) => enforcedBy(node)?.generation)
  await sleep(REST_SECONDS * 1000)
  for (const [index, { pid }] of agents.entries()) {
    const spent = processMilliseconds(pid) - (before[index] ?? 0)
    add('agent-at-rest', { rss_mb: residentMegabytesOf(pid) })
    add('agent-cpu-per-second', { ms: spent / REST_SECONDS })
  }
  const after = stack.nodes.map((node) => enforcedBy(node)?.generation)
  if (String(after) !== String(generations)) throw new Error('the agents were not at rest')
}
