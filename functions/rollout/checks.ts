/**
 * External checks: asked while a ring soaks, a few bytes each, and never believed for longer than
 * the ring that they were asked about. Whoever doesn't answer has not said yes.
 */
import { z } from 'zod'
import { Failure } from '../../pipelines/contract/failures.ts'
import type { Check, RolloutPlan } from '../../pipelines/rollout/plan.ts'
import type { Answer, Current, RolloutState } from '../../pipelines/rollout/state.ts'
import { answered } from '../../pipelines/rollout/step.ts'

/** Milliseconds for one answer, and between two questions of the same check. */
const TIMEOUT_MS = 5_000
export const ASK_EVERY_MS = 5_000
const MAX_ANSWER_BYTES = 1024 * 1024

/** https://prometheus.io/docs/prometheus/latest/querying/api/#instant-queries */
const Instant = z.object({
  status: z.literal('success'),
  data: z.discriminatedUnion('resultType', [
    z.object({
      resultType: z.literal('vector'),
      result: z.array(z.object({ value: z.tuple([z.number(), z.string()]) })),
    }),
    z.object({ resultType: z.literal('scalar'), result: z.tuple([z.number(), z.string()]) }),
  ]),
})

/** The state with the answers of all checks that are due; the same state when none is. */
export async function askChecks(state: RolloutState, plan: RolloutPlan, now: number): Promise<RolloutState> {
  const { current } = state
  if (current === null || current.kind !== 'release' || current.state !== 'soaking') return state
  const about = `${current.id}/${current.at}`
  const due = plan.gates.checks.filter(({ name }) => {
    const known = state.answers[name]
    return known?.rollout !== about || now - known.at >= ASK_EVERY_MS
  })
  const answers = await Promise.all(due.map((check) => ask(check, current)))
  return answers.reduce((after, { ok, why }, index) => {
    const answer: Answer = { ok, why: why.slice(0, 1024), at: now, rollout: about }
    return answered(after, due[index]?.name ?? '', answer)
  }, state)
}

async function ask(check: Check, current: Current): Promise<{ ok: boolean; why: string }> {
  try {
    return check.kind === 'webhook' ? await askWebhook(check, current) : await askPrometheus(check)
  } catch (error) {
    return { ok: false, why: `no answer: ${reasonOf(error)}` }
  }
}

async function askWebhook(check: Extract<Check, { kind: 'webhook' }>, current: Current) {
  const { id, number, commit, artifact, at } = current
  const body = JSON.stringify({
    schema: 'heddle.check/1',
    check: check.name,
    rollout: id,
    number,
    commit,
    artifact,
    ring: at,
  })
  const response = await fetch(check.url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
    redirect: 'error',
    signal: AbortSignal.timeout(TIMEOUT_MS),
  })
  await response.body?.cancel()
  return { ok: response.ok, why: `it answered ${response.status}` }
}

async function askPrometheus(check: Extract<Check, { kind: 'prometheus' }>) {
  const url = new URL('api/v1/query', check.url.endsWith('/') ? check.url : `${check.url}/`)
  url.searchParams.set('query', check.query)
  const response = await fetch(url, { redirect: 'error', signal: AbortSignal.timeout(TIMEOUT_MS) })
  const text = await readBounded(response)
  if (!response.ok) return { ok: false, why: `prometheus answered ${response.status}: ${text.slice(0, 200)}` }
  const { data } = Instant.parse(JSON.parse(text))
  const samples = data.resultType === 'scalar' ? [data.result] : data.result.map(({ value }) => value)
  if (samples.length === 0) return { ok: false, why: 'the query has no value' }
  const bad = samples.map(([, value]) => Number(value)).find((value) => !within(value, check))
  if (bad === undefined) return { ok: true, why: `${samples.length} values within bounds` }
  return { ok: false, why: `${bad} is not within ${check.least ?? '-∞'} and ${check.most ?? '∞'}` }
}

/** NaN is within nothing. */
function within(value: number, { least, most }: { least?: number | undefined; most?: number | undefined }) {
  return value >= (least ?? Number.NEGATIVE_INFINITY) && value <= (most ?? Number.POSITIVE_INFINITY)
}

async function readBounded(response: Response): Promise<string> {
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of response.body ?? []) {
    length += chunk.length
    if (length > MAX_ANSWER_BYTES) throw new Failure('limit-exceeded', `more than ${MAX_ANSWER_BYTES} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? `${error.message} (${error.cause.message})` : error.message
}
