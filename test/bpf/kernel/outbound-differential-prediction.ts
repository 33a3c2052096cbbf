/** What must become of a request, from the evaluators and the definitions of bytes alone. */
import { evaluate } from '../../../pipelines/policy/evaluate.ts'
import type { PolicySet } from '../../../pipelines/policy/model.ts'
import type { HeaderChange } from '../../../pipelines/policy/route-change.ts'
import { applyEdits, requestEdits, responseEdits } from '../../../pipelines/policy/route-edits.ts'
import {
  type Direct,
  type Endpoints,
  evaluateRoute,
  type Preflight,
  RANDOM_END,
  type Redirected,
  type RouteOutcome,
  type RouteQuestion,
} from '../../../pipelines/policy/route-evaluate.ts'
import { sharesOf } from '../../../pipelines/policy/route-fault.ts'
import { routeMatches } from '../../../pipelines/policy/route-match.ts'
import { inPrecedence, routesFor } from '../../../pipelines/policy/route-precedence.ts'
import type { ServicePort } from '../../../pipelines/policy/route.ts'
import { parseHttp1 } from '../../../pipelines/protocols/http1.ts'
import type { Request } from '../../../pipelines/protocols/http1-request.ts'
import { localReply } from '../../../agent/relay/outbound/local-reply.ts'
import type { Message } from './outbound-differential-cases.ts'
import { answer, askedOf } from './outbound-differential-manners.ts'
import { type Caller, SERVERS, SERVICES } from './outbound-differential-world.ts'

/** One of the things that may happen. `server` null = no server hears of it. `response` null = a reset. */
export type Outcome = { server: string | null; request: Buffer; response: Buffer | null; ends: boolean }

/** `unknown`: names of services that this generation's node does not know. */
export type Rules = { set: PolicySet; unknown: readonly string[] }

const ascii = (bytes: Uint8Array | undefined) => Buffer.from(bytes ?? []).toString('latin1')
const bytes = (text: string) => Buffer.from(text, 'latin1')
const keyOf = ({ namespace, name, port }: ServicePort) => `${namespace}/${name}:${port}`

function requestOf(head: Uint8Array): Request {
  const [event] = parseHttp1(head)
  if (event?.kind !== 'head') throw new Error(`no head: ${ascii(head)}`)
  return event.request
}

function endpointsOf(rules: Rules): (service: ServicePort) => Endpoints {
  return (service) => {
    const known = SERVICES.find((each) => keyOf(each.service) === keyOf(service))
    if (known === undefined || rules.unknown.includes(service.name)) return 'unknown'
    return known.servers.length > 0 ? 'ready' : 'none'
  }
}

/** A random number that leads to each backend that may be chosen, and to an abort. */
function randoms({ set }: Rules, { service, client, request }: RouteQuestion): number[] {
  const candidates = inPrecedence(routesFor(set, service, client))
  const decided = candidates.find(({ match }) => routeMatches(match, request))
  const shares = decided === undefined ? [] : sharesOf(decided.rule)
  const sum = shares.reduce((total, { weight }) => total + weight, 0)
  let before = 0
  const found = shares.map(({ weight }) => {
    const first = Number((BigInt(before) * BigInt(RANDOM_END) + BigInt(sum) - 1n) / BigInt(sum))
    before += weight
    return first
  })
  return found.length > 0 ? found : [0]
}

const ALONE = { server: null, request: Buffer.alloc(0) }

function refusal(status: 403 | 404 | 500 | 503, ends: boolean): Outcome {
  return { ...ALONE, response: localReply(status, ends), ends }
}

const REASONS = {
  301: 'Moved Permanently',
  302: 'Found',
  303: 'See Other',
  307: 'Temporary Redirect',
  308: 'Permanent Redirect',
}

/** Of the route's changes what is there to be dropped is the reply's own Server line. */
function redirect({ status, location, response }: Redirected, ends: boolean): Outcome {
  const closing = ends ? 'Connection: close\r\n' : ''
  const first = `HTTP/1.1 ${status} ${REASONS[status]}\r\nServer: heddle\r\nLocation: ${location}\r\n`
  const text = bytes(`${first}${closing}Content-Length: 0\r\n\r\n`)
  return { ...ALONE, response: Buffer.from(applyEdits(text, responseEdits(text, response))), ends }
}

const PHRASES: Record<number, string> = {
  200: 'OK',
  204: 'No Content',
  400: 'Bad Request',
  404: 'Not Found',
  503: 'Service Unavailable',
}

function direct({ status, contentType, body, response }: Direct, ends: boolean, head: boolean): Outcome {
  const content = Buffer.from(body)
  const type = contentType === undefined ? '' : `Content-Type: ${contentType}\r\n`
  const length = status === 204 ? '' : `Content-Length: ${content.length}\r\n`
  const text = bytes(`HTTP/1.1 ${status} ${PHRASES[status] ?? ''}\r\nServer: heddle\r\n${type}${length}\r\n`)
  const made = Buffer.from(applyEdits(text, responseEdits(text, response))).toString('latin1')
  const place = length === '' ? /\r\n\r\n/ : /\r\nContent-Length/
  const ended = ends ? made.replace(place, (before) => `\r\nConnection: close${before}`) : made
  return { ...ALONE, response: Buffer.concat([bytes(ended), head ? bytes('') : content]), ends }
}

function preflight({ fields }: Preflight, ends: boolean): Outcome {
  const text = fields.map(({ name, value }) => `${name}: ${value}\r\n`).join('')
  const closing = ends ? 'Connection: close\r\n' : ''
  const response = bytes(`HTTP/1.1 200 OK\r\nServer: heddle\r\n${closing}Content-Length: 0\r\n${text}\r\n`)
  return { ...ALONE, response, ends }
}

function changedAnswer(heads: string[], change: HeaderChange): Buffer[] {
  return heads.map((head) => Buffer.from(applyEdits(bytes(head), responseEdits(bytes(head), change))))
}

/** To one server, as it is when it gets there. */
function atServer(
  { set }: Rules,
  { message, head, caller }: { message: Message; head: Buffer; caller: Caller },
  name: string,
  change: HeaderChange,
): Outcome {
  const request = requestOf(head)
  const asked = askedOf(name, request)
  const peer = caller.workload ?? undefined
  const subject = SERVERS.find((server) => server.name === name)
  const connection = { subject, peer, peerAddress: '0.0.0.0', port: 80, protocol: 'TCP' as const }
  const { kind } = evaluate(set, connection, request)
  if (kind === 'deny-l4') return { ...ALONE, response: null, ends: true }
  if (kind === 'deny-l7') return refusal(403, asked.closes)
  const { heads, body, ends } = answer(asked)
  return {
    server: name,
    request: Buffer.concat([head, bytes(message.body)]),
    response: Buffer.concat([...changedAnswer(heads, change), bytes(body)]),
    ends,
  }
}

function followed(
  rules: Rules,
  outcome: RouteOutcome,
  { message, head, caller }: { message: Message; head: Buffer; caller: Caller },
): Outcome[] {
  const { closes } = askedOf('', requestOf(head))
  if (outcome.kind === 'status') return [refusal(outcome.status, closes)]
  if (outcome.kind === 'respond') return [direct(outcome, closes, message.head.startsWith('HEAD '))]
  if (outcome.kind === 'redirect') return [redirect(outcome, closes)]
  if (outcome.kind === 'preflight') return [preflight(outcome, closes)]
  const changed = Buffer.from(applyEdits(head, requestEdits(head, outcome.request)))
  const { servers } = SERVICES.find(({ service }) => keyOf(service) === keyOf(outcome.service)) as {
    servers: string[]
  }
  return servers.map((name) => atServer(rules, { message, head: changed, caller }, name, outcome.response))
}

/** All that may happen to a message; more than one where weights or endpoints leave a choice. */
export function predicted(rules: Rules, caller: Caller, message: Message): Outcome[] {
  const head = bytes(message.head)
  const question: RouteQuestion = {
    service: message.service,
    client: caller.workload?.namespace ?? null,
    request: requestOf(head),
    endpoints: endpointsOf(rules),
  }
  const found = new Map<string, Outcome>()
  for (const random of randoms(rules, question)) {
    const outcome = evaluateRoute(rules.set, question, random)
    for (const each of followed(rules, outcome, { message, head, caller }))
      found.set(
        `${each.server} ${each.request.toString('latin1')} ${each.response?.toString('latin1')}`,
        each,
      )
  }
  return [...found.values()]
}
