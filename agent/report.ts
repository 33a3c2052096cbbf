/** Report: say what came of it. The bus may be down; the next report tells the same state again. */
import type { Report } from '../pipelines/contract/release.ts'
import type { Attempt, Node } from './node.ts'

/** Lines of a failure's detail and characters of its message that travel. */
const MAX_DETAIL = 20
const MAX_TEXT = 2000

export async function report(node: Node, attempt: Attempt): Promise<void> {
  const sequence = node.state.current.sequence + 1
  await node.state.update({ sequence })
  const statement = describe(node, attempt, sequence)
  const { failure } = statement
  node.log(
    `report ${sequence}: ${statement.outcome}, release ${statement.number ?? 'none'}` +
      (failure === null ? '' : `, ${failure.code}: ${failure.message}`),
  )
  await node.bus
    .report(statement)
    .catch((error: unknown) => node.log(`report ${sequence} not sent: ${error}`))
}

/**
 * `number` and `artifact` are the release that the outcome is about: the one
 * that was taken or refused when it is known, else the one that runs.
 * `generation` is what runs.
 */
function describe(node: Node, attempt: Attempt, sequence: number): Report {
  const { enforced } = node.state.current
  const about = attempt.failures.length > 0 ? (attempt.release ?? enforced) : enforced
  return {
    schema: 'heddle.report/1',
    node: node.name,
    ring: node.ring,
    at: new Date(node.clock.now()).toISOString(),
    sequence,
    outcome: outcomeOf(attempt),
    number: about?.number ?? null,
    artifact: about?.artifact ?? null,
    generation: enforced?.generation ?? null,
    failure: failureOf(attempt),
    timings: attempt.timings,
  }
}

/** Refused: this node said no. Failed: it could not. */
function outcomeOf(attempt: Attempt): Report['outcome'] {
  const first = attempt.failures[0]
  if (attempt.swapped) return 'enforced'
  if (first === undefined) return 'unchanged'
  const deciding = first.step === 'pull' || first.step === 'verify'
  return deciding && first.failure.disposition !== 'retry' ? 'refused' : 'failed'
}

function failureOf(attempt: Attempt): Report['failure'] {
  const [first, ...others] = attempt.failures
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
