/** What a case expects. What could never come is refused: a case that can't hold says nothing. */
import { type ExpectedOutcome, type ExpectedVerdict, VERDICTS_OF } from '../../policy/policy-case.ts'
import type { Reader } from '../reader.ts'
import type { Path } from '../source-node.ts'
import type { Expectation } from './schema.ts'

const OF_VERDICTS = ['verdict', 'reason', 'policy', 'line', 'audit'] as const
const OF_FORWARDS = ['port', 'path', 'host', 'requestHeaders'] as const
const OF_OUTCOMES = ['forward', 'redirect', ...OF_FORWARDS] as const

/** Of what a route can answer by itself: RFC 9110 15, but for interim responses. */
const FIRST_STATUS = 200
const LAST_STATUS = 599

type Refused = { message: string; hint: string }

function refuseFields(
  reader: Reader,
  expect: Expectation,
  path: Path,
  [fields, { message, hint }]: [readonly (keyof Expectation)[], Refused],
): void {
  for (const field of fields) {
    if (expect[field] !== undefined)
      reader.refuse([...path, field], 'schema-violation', `\`${field}\`: ${message}`, hint)
  }
}

/** `connects`: no request is sent, so none is denied, and no one rule decides on what requests are judged by. */
export function verdictOf(
  reader: Reader,
  expect: Expectation,
  path: Path,
  connects: boolean,
): ExpectedVerdict | undefined {
  const { verdict, status, reason, policy, line, audit } = expect
  const message = 'no answer of the workload that is asked'
  refuseFields(reader, expect, path, [OF_OUTCOMES, { message, hint: 'remove it, or ask a `service`' }])
  if (verdict === undefined) {
    const hint = 'write verdict: allow, deny, drop or pass'
    reader.refuse(path, 'schema-violation', 'a case with `to` expects a verdict', hint)
    return undefined
  }
  if (status !== undefined && verdict !== 'deny') {
    const hint = 'remove it, or write verdict: deny'
    reader.refuse([...path, 'status'], 'schema-violation', `${verdict} has no status`, hint)
  }
  const possible: readonly string[] = reason === undefined ? [verdict] : VERDICTS_OF[reason]
  if (!possible.includes(verdict)) {
    const hint =
      possible.length === 0 ? 'it is said of what is no HTTP/1.1' : `it is of verdict ${possible.join(', ')}`
    reader.refuse([...path, 'reason'], 'schema-violation', `${verdict} is never for ${reason}`, hint)
  }
  if (connects && verdict === 'deny') {
    const hint = 'write drop, or allow where requests are judged'
    reader.refuse([...path, 'verdict'], 'schema-violation', 'a connection is not denied', hint)
  }
  if (connects) {
    const refused = { message: 'no request is sent, so no rule sees one', hint: 'remove it' }
    refuseFields(reader, expect, path, [['audit'], refused])
  } else if (verdict === 'drop' && audit?.length) {
    const hint = 'remove it: of a connection that is dropped nothing is seen'
    reader.refuse([...path, 'audit'], 'schema-violation', 'a dropped request is not audited', hint)
  }
  if (connects && verdict === 'allow') {
    const refused = { message: 'no one rule decides where requests are judged', hint: 'remove it' }
    refuseFields(reader, expect, path, [['reason', 'policy', 'line'], refused])
  }
  return { verdict, status, reason, policy, line, audit }
}

/** `namespace` is that of a backend that is named without one. */
export function outcomeOf(
  reader: Reader,
  expect: Expectation,
  path: Path,
  namespace: string,
): ExpectedOutcome | undefined {
  const { forward, redirect, status } = expect
  const message = 'no answer of the service that is asked'
  refuseFields(reader, expect, path, [OF_VERDICTS, { message, hint: 'remove it, or ask a workload: `to`' }])
  if ([forward, redirect, status].filter((each) => each !== undefined).length !== 1) {
    const wanted = 'a case with `service` expects one of `forward`, `redirect` and `status`'
    reader.refuse(path, 'schema-violation', wanted, 'write exactly one of them')
    return undefined
  }
  if (forward === undefined) {
    const refused = { message: 'it is of a request that is forwarded', hint: 'remove it, or write forward' }
    refuseFields(reader, expect, path, [OF_FORWARDS, refused])
  }
  if (redirect !== undefined) return { kind: 'redirect', ...redirect }
  if (status !== undefined) {
    if (status < FIRST_STATUS || status > LAST_STATUS) {
      const hint = `write ${FIRST_STATUS} to ${LAST_STATUS}, or redirect: {status: …}`
      reader.refuse([...path, 'status'], 'schema-violation', `no route answers with ${status}`, hint)
    }
    return { kind: 'status', status }
  }
  const [name = '', elsewhere = namespace] = (forward as string).split('/').reverse()
  const headers = Object.entries(expect.requestHeaders ?? {}).map(
    ([header, value]) => [header, [value].flat()] as const,
  )
  const { port, path: target, host } = expect
  return { kind: 'forward', service: { namespace: elsewhere, name }, port, path: target, host, headers }
}
