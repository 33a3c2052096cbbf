/** Report: say what came of it. The bus may be down; the next report tells the same state again. */
import { Failure } from '../pipelines/contract/failures.ts'
import type { Report } from '../pipelines/contract/release.ts'
import { auditReport } from './audits.ts'
import { measure } from './measure.ts'
import type { Attempt, Node } from './node.ts'
import { shadowReport } from './shadow-report.ts'

/** Lines of a failure's detail and characters of its message that travel. */
const MAX_DETAIL = 20
const MAX_TEXT = 2000
const SEQUENCE_BATCH = 1000

export async function report(node: Node, attempt: Attempt): Promise<void> {
  const sequence = await nextSequence(node)
  const shadow = await shadowReport(node).catch((error: unknown) => {
    node.log(`the shadow can't be read: ${error}`)
    return null
  })
  const audits = await auditReport(node).catch((error: unknown) => {
    node.log(`what audit rules counted can't be read: ${error}`)
    return []
  })
  const statement = {
    ...describe(node, attempt, sequence),
    measures: await measure(node),
    shadow,
    ...(audits.length === 0 ? {} : { audits }),
  }
  say(node, statement)
  await node.bus.report(statement).catch((error: unknown) => {
    const down = error instanceof Failure && error.code === 'bus-unavailable'
    if (!down) node.log(`report ${sequence} not sent: ${error}`)
  })
}

/** In the journal, when it is not what was said last. */
function say(node: Node, { outcome, number, generation, failure }: Report): void {
  const lines = [`${outcome}, release ${number ?? 'none'}, generation ${generation ?? 'none'}`]
  if (failure !== null) lines.push(`${failure.code}: ${failure.message}`, ...failure.detail)
  const text = lines.join('\n  ')
  if (text !== node.said) node.log(text)
  node.said = text
}

/**
 * Only grows, also after a crash; numbers are reserved in batches to spare the disk. A disk that is full
 * does not make the node silent: numbers may come again then, and readers go by the time first.
 */
async function nextSequence(node: Node): Promise<number> {
  const reserved = node.state.current.sequence
  const sequence = (node.reported ?? reserved) + 1
  if (sequence > reserved)
    await node.state.update({ sequence: reserved + SEQUENCE_BATCH }).catch((error: unknown) => {
      node.log(`report ${sequence} is not noted: ${error}`)
    })
  node.reported = sequence
  return sequence
}

/**
 * Unless nothing came of it, `number` and `artifact` are the release that the
 * outcome is about, taken or refused, when it is known; else the one that runs.
 * `generation` is what runs.
 */
function describe(
  node: Node,
  attempt: Attempt,
  sequence: number,
): Omit<Report, 'measures' | 'shadow' | 'audits'> {
  const { enforced } = node.state.current
  const outcome = outcomeOf(attempt)
  const about = outcome === 'unchanged' ? enforced : (attempt.release ?? enforced)
  return {
    schema: 'heddle.report/1',
    node: node.name,
    ring: node.ring,
    at: new Date(node.clock.now()).toISOString(),
    sequence,
    outcome,
    number: about?.number ?? null,
    artifact: about?.artifact ?? null,
    generation: enforced?.generation ?? null,
    failure: failureOf(attempt),
    timings: attempt.timings,
  }
}

/** Steps whose failures say nothing against a release: a lost memory, and what only looks on. */
const BESIDE: readonly string[] = ['recover', 'shadow']

/**
 * Refused: this node said no. Failed: it could not. What only has to wait (the
 * store is away, no slot is free) says nothing against a release.
 */
function outcomeOf(attempt: Attempt): Report['outcome'] {
  if (attempt.swapped) return 'enforced'
  const grave = attempt.failures.find(
    ({ step, failure }) => failure.disposition !== 'retry' && !BESIDE.includes(step),
  )
  if (grave === undefined) return 'unchanged'
  return grave.step === 'pull' || grave.step === 'verify' ? 'refused' : 'failed'
}

function failureOf(attempt: Attempt): Report['failure'] {
  // What is grave comes first: it is what the outcome is about.
  const rank = (disposition: string) => (disposition === 'retry' ? 1 : 0)
  const [first, ...others] = attempt.failures.toSorted(
    (a, b) => rank(a.failure.disposition) - rank(b.failure.disposition),
  )
  if (first === undefined) return null
  const detail = [
    ...first.failure.detail,
    ...others.map(({ step, failure }) => `${step}: ${failure.code}: ${failure.message}`),
  ]
  return {
    code: first.failure.code,
    message: first.failure.message.slice(0, MAX_TEXT),
    detail: detail.slice(0, MAX_DETAIL).map((line) => line.slice(0, MAX_TEXT)),
  }
}
