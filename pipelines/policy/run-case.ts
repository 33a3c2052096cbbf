/** Run a case: ask the reference evaluator, and compare. */
import type { Request } from '../protocols/http1-request.ts'
import { auditsMet, type Connection, type Deciding, evaluate } from './evaluate.ts'
import type { PolicySet } from './model.ts'
import {
  type CaseResult,
  type CaseVerdict,
  type ExpectedVerdict,
  type InboundCase,
  type PolicyCase,
  requestOfCase,
} from './policy-case.ts'
import { runOutbound } from './run-route-case.ts'

/** Status of a request that rules deny. */
const DENIED = 403

/** Throws Failure('schema-violation') on a request that no reader would have let in. */
export function runCase(set: PolicySet, policyCase: PolicyCase): CaseResult {
  return policyCase.kind === 'inbound' ? runInbound(set, policyCase) : runOutbound(set, policyCase)
}

type Came = Pick<ExpectedVerdict, 'verdict' | 'status' | 'reason'> & { deciding?: Deciding | undefined }

/** Of a connection it is asked whether it is let in: what becomes of its requests is another case's. */
function verdictOn(set: PolicySet, connection: Connection, request: Request | null): Came {
  const { kind, reason, deciding } = evaluate(set, connection, request ?? 'unparsed')
  switch (kind) {
    case 'pass':
      return { verdict: 'pass', reason, deciding }
    case 'deny-l4':
      return { verdict: 'drop', reason, deciding }
    case 'allow':
      return request === null ? { verdict: 'allow' } : { verdict: 'allow', reason, deciding }
    case 'deny-l7':
      return request === null ? { verdict: 'allow' } : { verdict: 'deny', status: DENIED, reason, deciding }
  }
}

const shown = (verdict: CaseVerdict, status: number | undefined) =>
  status === undefined ? verdict : `${verdict} ${status}`

function auditText(names: readonly string[] | undefined): string[] {
  if (names === undefined) return []
  return [names.length === 0 ? 'audited by no rule' : `audited by ${names.join(', ')}`]
}

function expectedText({ verdict, status, reason, policy, line, audit }: ExpectedVerdict): string {
  return [
    shown(verdict, status),
    ...(reason === undefined ? [] : [`(${reason})`]),
    ...(policy === undefined ? [] : [`by policy ${policy}`]),
    ...(line === undefined ? [] : [`at line ${line}`]),
    ...auditText(audit),
  ].join(' ')
}

function runInbound(set: PolicySet, inbound: InboundCase): CaseResult {
  const { from, to, namespace, expect } = inbound
  const connection: Connection = {
    subject: { namespace, labels: to.labels },
    peer: from.kind === 'workload' ? from : undefined,
    peerAddress: from.kind === 'world' ? from.address : '',
    port: to.port,
    protocol: 'TCP',
  }
  const request = inbound.request && requestOfCase(inbound.request)
  const { verdict, status, reason, deciding } = verdictOn(set, connection, request)
  const met = request === null ? [] : auditsMet(set, connection, request).map(({ rule }) => rule.name)
  const audit = expect.audit && met.sort()
  const is = <T>(expected: T | undefined, came: T | undefined) => expected === undefined || expected === came
  return {
    holds:
      expect.verdict === verdict &&
      is(expect.status, status) &&
      is(expect.reason, reason) &&
      is(expect.policy, deciding?.policy) &&
      is(expect.line, deciding?.source.line) &&
      is(expect.audit && JSON.stringify([...expect.audit].sort()), audit && JSON.stringify(audit)),
    expected: expectedText(expect),
    came: [`${shown(verdict, status)} (${reason ?? 'its requests are judged'})`, ...auditText(audit)].join(
      ' ',
    ),
    deciding: deciding
      ? {
          kind: 'policy',
          namespace: deciding.namespace,
          name: deciding.policy,
          source: deciding.source,
        }
      : null,
  }
}
