/** What routes say to one request to a service: which rule decides, where it goes, how its heads are changed. */
import { join } from 'node:path'
import type { PolicySet } from '../../pipelines/policy/model.ts'
import { changedPath, type HeaderChange, type RequestChange } from '../../pipelines/policy/route-change.ts'
import {
  type DecidingMatch,
  evaluateRoute,
  RANDOM_END,
  type RouteOutcome,
  type RouteQuestion,
} from '../../pipelines/policy/route-evaluate.ts'
import { targetOf } from '../../pipelines/policy/route-match.ts'
import { inPrecedence, routesFor } from '../../pipelines/policy/route-precedence.ts'
import type { Retry, ServicePort } from '../../pipelines/policy/route.ts'
import { serviceKey } from '../../pipelines/services/model.ts'
import { paint } from './style.ts'
import { UsageError } from './usage.ts'

const HTTP_PORT = 80

/** `weight` of `sum` requests meet it; 1 of 1 where there is nothing to choose. */
type Possible = { weight: number; sum: number; outcome: RouteOutcome }

/** `[namespace/]name[:port]`. */
export function serviceOf(text: string, namespace: string): ServicePort {
  const parts = /^(?:([\w.-]+)\/)?([\w.-]+)(?::(\d{1,5}))?$/.exec(text)
  const port = Number(parts?.[3] ?? HTTP_PORT)
  if (parts?.[2] === undefined || port < 1 || port > 65535)
    throw new UsageError(`${text}: a service is namespace/name:port`)
  return { namespace: parts[1] ?? namespace, name: parts[2], port }
}

/** One for each backend that gets requests; the evaluator itself says what becomes of them there. */
function possibilities(set: PolicySet, question: RouteQuestion): Possible[] {
  const outcome = evaluateRoute(set, question, 0)
  const backends = backendsBehind(set, question, outcome.deciding)
  const sum = backends.reduce((total, { weight }) => total + weight, 0)
  if (sum === 0) return [{ weight: 1, sum: 1, outcome }]
  let before = 0
  return backends.flatMap(({ weight }) => {
    if (weight === 0) return []
    const random = Number((BigInt(before) * BigInt(RANDOM_END) + BigInt(sum - 1)) / BigInt(sum))
    before += weight
    return [{ weight, sum, outcome: evaluateRoute(set, question, random) }]
  })
}

function backendsBehind(
  set: PolicySet,
  { service, client }: RouteQuestion,
  deciding: DecidingMatch | undefined,
) {
  const place = JSON.stringify(deciding)
  const found = inPrecedence(routesFor(set, service, client)).find(
    ({ route: { name, namespace }, match: { source } }) =>
      JSON.stringify({ route: name, namespace, source }) === place,
  )
  return found?.rule.backends ?? []
}

/** As it is shown: files named as the caller named them. */
function placed(root: string, { deciding, ...outcome }: RouteOutcome) {
  const source = deciding && { ...deciding.source, file: join(root, deciding.source.file) }
  return { ...outcome, deciding: deciding && source ? { ...deciding, source } : null }
}

/** The answer as data, and as text. */
export function explainService(
  { root, set }: { root: string; set: PolicySet },
  question: RouteQuestion,
): { json: unknown; text: string } {
  const { service, client } = question
  const possible = possibilities(set, question).map(({ outcome, ...share }) => ({
    ...share,
    ...placed(root, outcome),
  }))
  const [first] = possible
  const by = first?.deciding ?? null
  const none = first?.kind === 'forward' ? 'no route: its own endpoints' : 'no match of any of its routes'
  const where = by ? `${by.namespace}/${by.route} ${by.source.file}:${by.source.line}` : none
  const lines = possible.flatMap((each) => [
    `${answerText(each)}${each.sum === each.weight ? '' : `, ${each.weight} of ${each.sum} requests`}`,
    ...changeLines(each, question),
  ])
  const outcomes = possible.map(({ deciding, ...outcome }) => outcome)
  return {
    json: { service, client, deciding: by, outcomes },
    text: `${lines.join('\n')}\n  ${where}\n`,
  }
}

type Shown = ReturnType<typeof placed>

function answerText(outcome: Shown): string {
  switch (outcome.kind) {
    case 'forward':
      return paint('green', `forward to ${serviceKey(outcome.service)}`)
    case 'redirect':
      return paint('green', `${outcome.status} to ${outcome.location}`)
    case 'preflight':
      return paint('green', `${outcome.status} (preflight)`)
    case 'status':
      return paint('red', `${outcome.status} (${outcome.reason})`)
  }
}

function changeLines(outcome: Shown, question: RouteQuestion): string[] {
  if (outcome.kind === 'status') return []
  const change = outcome.kind === 'preflight' ? { drop: [], append: outcome.fields } : outcome.response
  const response = headerLines(change).map((line) => `  response ${line}`)
  if (outcome.kind !== 'forward') return response
  const { requestTimeout, backendTimeout, retry } = outcome
  return [
    ...requestLines(outcome.request, question).map((line) => `  request  ${line}`),
    ...response,
    ...(requestTimeout === 0 ? [] : [`  at most  ${requestTimeout} ms for all of it`]),
    ...(backendTimeout === 0 ? [] : [`  at most  ${backendTimeout} ms for one endpoint`]),
    ...(retry ? [retryText(retry)] : []),
  ]
}

function retryText({ attempts, codes }: Retry): string {
  const answers = codes.length === 0 ? '' : ` or answered with ${codes.join(', ')}`
  return `  again    up to ${attempts} times, if not answered${answers}`
}

function requestLines({ path, host, headers }: RequestChange, { request }: RouteQuestion): string[] {
  const old = targetOf(request).path
  return [
    ...(path === null || old === undefined ? [] : [`path ${old} becomes ${changedPath(old, path)}`]),
    ...(host === null ? [] : [`Host becomes ${host}`]),
    ...headerLines(headers),
  ]
}

function headerLines({ drop, append }: HeaderChange): string[] {
  return [
    ...drop.map((name) => `without ${name}`),
    ...append.map(({ name, value }) => `with ${name}: ${value}`),
  ]
}
