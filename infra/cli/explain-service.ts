/** What routes say to one request to a service: which rule decides, where it goes, how its heads are changed. */
import { join } from 'node:path'
import { sameBytes } from '../../pipelines/bytes.ts'
import { breakerFor, breakerText } from '../../pipelines/policy/breaker.ts'
import type { PolicySet } from '../../pipelines/policy/model.ts'
import { changedPath, type HeaderChange, type RequestChange } from '../../pipelines/policy/route-change.ts'
import type { RouteOutcome, RouteQuestion } from '../../pipelines/policy/route-evaluate.ts'
import { targetOf } from '../../pipelines/policy/route-match.ts'
import { possibleOutcomes } from '../../pipelines/policy/route-possible.ts'
import { forwardedHead, type RouteMatchTrace, traceRoutes } from '../../pipelines/policy/route-trace.ts'
import type { Retry, ServicePort } from '../../pipelines/policy/route.ts'
import { byteText } from '../../pipelines/protocols/http1-grammar.ts'
import { serviceKey } from '../../pipelines/services/model.ts'
import { paint } from './style.ts'
import { headLines, matchLines } from './trace-text.ts'
import { UsageError } from './usage.ts'

const HTTP_PORT = 80

/** `[namespace/]name[:port]`. */
export function serviceOf(text: string, namespace: string): ServicePort {
  const parts = /^(?:([\w.-]+)\/)?([\w.-]+)(?::(\d{1,5}))?$/.exec(text)
  const port = Number(parts?.[3] ?? HTTP_PORT)
  if (parts?.[2] === undefined || port < 1 || port > 65535)
    throw new UsageError(`${text}: a service is namespace/name:port`)
  return { namespace: parts[1] ?? namespace, name: parts[2], port }
}

/** As it is shown: files named as the caller named them. */
function placed(root: string, { deciding, ...outcome }: RouteOutcome) {
  const source = deciding && { ...deciding.source, file: join(root, deciding.source.file) }
  return { ...outcome, deciding: deciding && source ? { ...deciding, source } : null }
}

/** Matches in order of precedence, files named as the caller named them. */
function metBy({ root, set }: { root: string; set: PolicySet }, question: RouteQuestion): RouteMatchTrace[] {
  return traceRoutes(set, question).map((trace) => ({
    ...trace,
    source: { ...trace.source, file: join(root, trace.source.file) },
  }))
}

/** Those that were asked; with `all` also those behind the one that decided. */
function metLines(matches: RouteMatchTrace[], all: boolean): string[] {
  const deciding = matches.findIndex(({ decides }) => decides)
  const asked = all || deciding < 0 ? matches : matches.slice(0, deciding + 1)
  return asked.flatMap(({ namespace, route, source, parts, holds }, index) => {
    const behind = deciding >= 0 && index > deciding ? ' (not asked)' : ''
    const place = `${namespace}/${route} ${source.file}:${source.line}${behind}`
    return matchLines({ place, parts, holds }, { indent: '  ', all })
  })
}

/** The answer as data, and as text. `head`: the request's bytes; `all`: every match and every part of it. */
export function explainService(
  loaded: { root: string; set: PolicySet },
  question: RouteQuestion,
  { head, all }: { head: Uint8Array; all: boolean },
): { json: unknown; text: string } {
  const { service, client } = question
  const possible = possibleOutcomes(loaded.set, question).map(({ outcome, ...share }) => ({
    ...share,
    ...placed(loaded.root, outcome),
    after: forwardedHead(head, outcome),
  }))
  const matches = metBy(loaded, question)
  const [first] = possible
  const by = first?.deciding ?? null
  const none = first?.kind === 'forward' ? 'no route: its own endpoints' : 'no match of any of its routes'
  const where = by ? `${by.namespace}/${by.route} ${by.source.file}:${by.source.line}` : none
  const lines = possible.flatMap((each) => [
    `${answerText(each)}${each.sum === each.weight ? '' : `, ${each.weight} of ${each.sum} requests`}`,
    ...changeLines(each, question),
    ...breakerLines(loaded, each),
    ...byteLines(head, each.after),
  ])
  const outcomes = possible.map(({ deciding, after, ...outcome }) => outcome)
  const after = possible.map((each) => each.after && byteText(each.after))
  const met = { matches, before: byteText(head), after: after.map((bytes) => bytes ?? null) }
  return {
    json: { service, client, deciding: by, outcomes, met },
    text: [...lines, `  ${where}`, ...metLines(matches, all), ''].join('\n'),
  }
}

/** What may keep it from there, in this node's time: an explanation knows no state. */
function breakerLines({ root, set }: { root: string; set: PolicySet }, outcome: Shown): string[] {
  const found = outcome.kind === 'forward' ? breakerFor(set.breakers ?? [], outcome.service) : undefined
  if (found === undefined) return []
  const { namespace, name, source } = found
  const place = `${namespace}/${name} ${join(root, source.file)}:${source.line}`
  return [`  breaker  ${breakerText(found.breaker)} (${place})`]
}

/** The head as it comes and as it goes on, where it goes on otherwise. */
function byteLines(before: Uint8Array, after: Uint8Array | undefined): string[] {
  if (after === undefined) return []
  if (sameBytes(before, after)) return [`  bytes    ${before.length}, unchanged`]
  const under = (head: Uint8Array) => headLines(head).map((line) => `    ${line}`)
  return ['  before', ...under(before), '  after', ...under(after)]
}

type Shown = ReturnType<typeof placed>

function answerText(outcome: Shown): string {
  switch (outcome.kind) {
    case 'forward':
      return paint('green', `forward to ${serviceKey(outcome.service)}`)
    case 'redirect':
      return paint('green', `${outcome.status} to ${outcome.location}`)
    case 'respond':
      return paint('green', `${outcome.status} (${outcome.fault ?? 'direct response'})`)
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
  const { requestTimeout, backendTimeout, idleTimeout, retry, delay } = outcome
  return [
    ...requestLines(outcome.request, question).map((line) => `  request  ${line}`),
    ...response,
    ...(requestTimeout === 0 ? [] : [`  at most  ${requestTimeout} ms for all of it`]),
    ...(backendTimeout === 0 ? [] : [`  at most  ${backendTimeout} ms for one endpoint`]),
    ...(idleTimeout ? [`  at most  ${idleTimeout} ms without a byte`] : []),
    ...(retry ? [retryText(retry)] : []),
    ...(delay ? [`  waits    ${delay.duration} ms, ${delay.percent / 100} % of requests`] : []),
  ]
}

function retryText({ attempts, codes, budget }: Retry): string {
  const answers = codes.length === 0 ? '' : ` or answered with ${codes.join(', ')}`
  const most = budget ? `, ${budget.percent / 100} % of requests or ${budget.least} at a time` : ''
  return `  again    up to ${attempts} times, if not answered${answers}${most}`
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
