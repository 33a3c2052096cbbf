/** What a shadow must count of a stream, from the reference parser and the reference evaluator alone. */
import type { ShadowCounts } from '../../../agent/ports.ts'
import { type Connection, evaluate, type Verdict } from '../../../pipelines/policy/evaluate.ts'
import type { PolicySet } from '../../../pipelines/policy/model.ts'
import { parseHttp1 } from '../../../pipelines/protocols/http1.ts'
import type { Request } from '../../../pipelines/protocols/http1-request.ts'
import { NOTHING } from './shadow-fixture.ts'

const EMPTY: Request = { method: Uint8Array.of(), target: Uint8Array.of(), version: '1.1', fields: [] }

/** Status of the refusal, 0 = none is said; null = let in. */
type Outcome = number | null

function ofVerdict(verdict: Verdict, refused: number): Outcome {
  if (verdict.kind === 'deny-l4') return 0
  return verdict.kind === 'deny-l7' ? refused : null
}

/** How a set takes each message of the stream, on its own, in the order of verdicts. `last`: nothing is read behind it. */
function outcomes(
  set: PolicySet,
  connection: Connection,
  stream: Uint8Array,
): { is: Outcome; last: boolean }[] {
  const { kind } = evaluate(set, connection, EMPTY)
  const closed = kind === 'deny-l4' ? 0 : kind === 'pass' ? null : undefined
  const found: { is: Outcome; last: boolean }[] = []
  for (const event of parseHttp1(stream)) {
    if (event.kind === 'end') continue
    if (event.kind === 'head') {
      const is = ofVerdict(evaluate(set, connection, event.request), 403)
      found.push({ is, last: is !== null })
      continue
    }
    const status = event.kind === 'refused' ? event.status : event.kind === 'tls' ? 0 : 400
    const judged =
      event.kind === 'refused' ? status : ofVerdict(evaluate(set, connection, 'unparsed'), status)
    found.push({ is: closed === undefined ? judged : closed, last: true })
    break
  }
  return found
}

export function shadowExpectation(
  [active, candidate]: readonly [PolicySet, PolicySet],
  connection: Connection,
  stream: Uint8Array,
): ShadowCounts {
  const counts = { ...NOTHING }
  const denied = (set: PolicySet) => evaluate(set, connection, EMPTY).kind === 'deny-l4'
  if (denied(active)) return { ...counts, ...(denied(candidate) ? { agree: 1 } : { newAllows: 1 }) }
  const theirs = outcomes(candidate, connection, stream)
  for (const [i, { is, last }] of outcomes(active, connection, stream).entries()) {
    const other = theirs[i]?.is ?? null
    if (is === other) counts.agree++
    else if (is === null) counts.newDenies++
    else if (other === null) counts.newAllows++
    else counts.other++
    if (last) break
  }
  return counts
}
