/** Run a case that asks where a request to a service goes. */
import { utf8 } from '../bytes.ts'
import { byteText } from '../protocols/http1-grammar.ts'
import { fieldValues, type Request } from '../protocols/http1-request.ts'
import type { PolicySet } from './model.ts'
import {
  type CaseResult,
  type ExpectedForward,
  type ExpectedOutcome,
  type OutboundCase,
  requestOfCase,
} from './policy-case.ts'
import { changedPath, type RequestChange } from './route-change.ts'
import { evaluateRoute, type Forward, type RouteOutcome, type RouteQuestion } from './route-evaluate.ts'
import { targetOf } from './route-match.ts'
import { type Possible, possibleOutcomes } from './route-possible.ts'

/** Without `random` every backend that can get the request must answer as expected. */
export function runOutbound(set: PolicySet, outbound: OutboundCase): CaseResult {
  const { service, from, random, expect } = outbound
  const request = requestOfCase(outbound.request)
  const client = from.kind === 'workload' ? from.namespace : null
  const question: RouteQuestion = { service, client, request }
  const possible: [Possible, ...Possible[]] =
    random === null
      ? possibleOutcomes(set, question)
      : [{ weight: 1, sum: 1, outcome: evaluateRoute(set, question, random) }]
  const wrong = possible.find(({ outcome }) => !holds(expect, outcome, request))
  const { outcome, weight, sum } = wrong ?? possible[0]
  const share = weight === sum ? '' : `, ${weight} of ${sum} requests`
  const by = outcome.deciding
  return {
    holds: wrong === undefined,
    expected: expectedText(expect),
    came: `${cameText(expect, outcome, request)}${share}`,
    deciding: by ? { kind: 'route', namespace: by.namespace, name: by.route, source: by.source } : null,
  }
}

function holds(expect: ExpectedOutcome, outcome: RouteOutcome, request: Request): boolean {
  switch (expect.kind) {
    case 'forward': {
      if (outcome.kind !== 'forward') return false
      const came = sentAspects(expect, outcome, request)
      return expectedAspects(expect).every((aspect, index) => aspect === came[index])
    }
    case 'redirect': {
      if (outcome.kind !== 'redirect') return false
      const { status = outcome.status, location = outcome.location } = expect
      return status === outcome.status && location === outcome.location
    }
    case 'status':
      return outcome.kind !== 'forward' && outcome.kind !== 'redirect' && outcome.status === expect.status
  }
}

function expectedText(expect: ExpectedOutcome): string {
  switch (expect.kind) {
    case 'forward':
      return expectedAspects(expect).join(', ')
    case 'redirect':
      return [
        'redirect',
        ...(expect.status === undefined ? [] : [expect.status]),
        ...(expect.location === undefined ? [] : [`to ${expect.location}`]),
      ].join(' ')
    case 'status':
      return `status ${expect.status}`
  }
}

function cameText(expect: ExpectedOutcome, outcome: RouteOutcome, request: Request): string {
  switch (outcome.kind) {
    case 'forward':
      if (expect.kind === 'forward') return sentAspects(expect, outcome, request).join(', ')
      return forwardText(outcome.service, outcome.service.port)
    case 'redirect':
      return `redirect ${outcome.status} to ${outcome.location}`
    case 'respond':
      return `status ${outcome.status} (${outcome.fault ?? 'direct response'})`
    case 'preflight':
      return `status ${outcome.status} (preflight)`
    case 'status':
      return `status ${outcome.status} (${outcome.reason})`
  }
}

const forwardText = ({ namespace, name }: ExpectedForward['service'], port: number | undefined) =>
  `forward to ${namespace}/${name}${port === undefined ? '' : `:${port}`}`

/** In quotes, so that no value can look like two. */
const headerText = (name: string, values: readonly string[]) =>
  values.length === 0
    ? `without ${name}`
    : `${name}: ${values.map((value) => JSON.stringify(value)).join(', ')}`

const latin = (text: string) => byteText(utf8(text))

/** Whatever is expected, each in a text; `sentAspects` gives what there is instead, in the same order. */
function expectedAspects({ service, port, path, host, headers }: ExpectedForward): string[] {
  return [
    forwardText(service, port),
    ...(path === undefined ? [] : [`path ${path}`]),
    ...(host === undefined ? [] : [`host ${host}`]),
    ...headers.map(([name, values]) => headerText(name, values.map(latin))),
  ]
}

function sentAspects(
  expect: ExpectedForward,
  { service, request: change }: Forward,
  request: Request,
): string[] {
  const { port, path, host, headers } = expect
  return [
    forwardText(service, port === undefined ? undefined : service.port),
    ...(path === undefined ? [] : [`path ${sentPath(request, change)}`]),
    ...(host === undefined ? [] : [`host ${sentValues(request, change, 'host').join(',')}`]),
    ...headers.map(([name]) => headerText(name, sentValues(request, change, name.toLowerCase()))),
  ]
}

function sentPath(request: Request, { path: change }: RequestChange): string {
  const { path } = targetOf(request)
  if (path === undefined) return '*'
  return change === null ? path : changedPath(path, change)
}

/** Values of a header (its name in lower case) as route-edits.ts would leave them. */
function sentValues(request: Request, { host, headers }: RequestChange, name: string): string[] {
  if (name === 'host' && host !== null) return [latin(host)]
  const kept = headers.drop.includes(name) ? [] : fieldValues(request, name).map(byteText)
  const added = headers.append.filter((field) => field.name.toLowerCase() === name)
  return [...kept, ...added.map(({ value }) => latin(value))]
}
