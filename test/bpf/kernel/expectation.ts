/** What must happen to a stream, from the reference parser and the reference evaluator alone. */
import type { Connection } from '../../../pipelines/policy/evaluate.ts'
import { evaluate, mirrorsMet } from '../../../pipelines/policy/evaluate.ts'
import type { PolicySet } from '../../../pipelines/policy/model.ts'
import { parseHttp1 } from '../../../pipelines/protocols/http1.ts'
import type { Request } from '../../../pipelines/protocols/http1-request.ts'

export type Expectation =
  | { kind: 'no-connection' }
  /** Bytes flow unread. */
  | { kind: 'unread' }
  | {
      kind: 'judged'
      answers: { target: string; head: boolean }[]
      /** Where the refused message begins, and the status said; 0 = none. */
      refused: { from: number; status: 403 | 400 | 431 | 0 } | undefined
    }

const EMPTY: Request = { method: Uint8Array.of(), target: Uint8Array.of(), version: '1.1', fields: [] }
const text = (bytes: Uint8Array) => Buffer.from(bytes).toString('latin1')

export function expectation(set: PolicySet, connection: Connection, stream: Uint8Array): Expectation {
  const context = evaluate(set, connection, EMPTY)
  if (context.kind === 'deny-l4') return { kind: 'no-connection' }
  if (context.kind === 'pass') return { kind: 'unread' }
  const answers: { target: string; head: boolean }[] = []
  let pending: { target: string; head: boolean } | undefined
  for (const event of parseHttp1(stream)) {
    if (event.kind === 'head') {
      const verdict = evaluate(set, connection, event.request)
      if (verdict.kind !== 'allow')
        return { kind: 'judged', answers, refused: { from: event.start, status: 403 } }
      pending = { target: text(event.request.target), head: text(event.request.method) === 'HEAD' }
    } else if (event.kind === 'end') {
      if (pending) answers.push(pending)
      pending = undefined
    } else if (event.kind === 'refused') {
      return { kind: 'judged', answers, refused: { from: event.start, status: event.status } }
    } else {
      if (evaluate(set, connection, 'unparsed').kind === 'allow') return { kind: 'unread' }
      const status = event.kind === 'tls' ? 0 : 400
      return { kind: 'judged', answers, refused: { from: 0, status } }
    }
  }
  return { kind: 'judged', answers, refused: undefined }
}

/** How many copies leave where every mirror copies all that it matches. */
export function copiesOf(set: PolicySet, connection: Connection, stream: Uint8Array): number {
  if (evaluate(set, connection, EMPTY).kind === 'deny-l4') return 0
  let copies = 0
  for (const event of parseHttp1(stream)) {
    if (event.kind === 'end') continue
    if (event.kind !== 'head') return copies
    const { kind } = evaluate(set, connection, event.request)
    if (kind !== 'allow' && kind !== 'pass') return copies
    copies += mirrorsMet(set, connection, event.request).length
  }
  return copies
}
