/** A client's requests on the slow path: decided by what the kernel's own programs read (client-route.h). */
import { addressText } from '../../adapters/address-bytes.ts'
import type { Pins } from '../../adapters/pins.ts'
import type { Request } from '../../../pipelines/protocols/http1-request.ts'
import { applyEdits, requestEdits, responseEdits } from '../../../pipelines/policy/route-edits.ts'
import type { HeaderChange } from '../../../pipelines/policy/route-change.ts'
import { delayOf } from '../../../pipelines/policy/route-fault.ts'
import type { SessionCookie } from '../../../pipelines/services/session-cookie.ts'
import { breakerIn } from '../../../pipelines/tables/breakers.ts'
import type { RouteStep } from '../../../pipelines/tables/route-step.ts'
import type { Generation } from '../active-generation.ts'
import { auditVerdict, type Context, type Verdicts, NOBODYS } from '../verdicts.ts'
import type { FormingCopy } from '../mirror/forming.ts'
import type { Mirror } from '../mirror/mirror.ts'
import { changedRequest } from './changed-request.ts'
import type { KernelClient } from './kernel-clients.ts'
import type { KernelBreakers, RuleWords } from './kernel-breakers.ts'
import type { KernelBalance } from './kernel-balance.ts'
import { type KernelEndpoint, RouteMaps } from './kernel-routes.ts'
import { breakerReply, limitedReply } from './local-reply.ts'
import type { HeadEdit, Outcome, Router, Target } from './ports.ts'
import { RetryBudgets } from './retry-budget.ts'
import type { UneditedResponse } from './response-reader.ts'

/** No endpoint takes it. */
const NONE: Outcome = { kind: 'reply', status: 503 }

/** The route names what this node has no service for (HTTPRouteRule.backendRefs). */
const UNKNOWN: Outcome = { kind: 'reply', status: 500 }

type Forward = Extract<RouteStep, { kind: 'forward' }>
/** One generation decides all of it, whatever becomes active meanwhile. */
type Question = { client: KernelClient; request: Request; generation: Generation }

export type RouterParts = {
  verdicts: Verdicts
  balance: KernelBalance
  breakers: KernelBreakers
  mirror: Mirror
  /** 32 random bits. */
  random: () => number
}

export class KernelRouter {
  private readonly pins: Pins
  private readonly verdicts: Verdicts
  private readonly balance: KernelBalance
  private readonly breakers: KernelBreakers
  private readonly mirror: Mirror
  /** 32 random bits. */
  private readonly random: () => number
  private readonly budgets = new RetryBudgets()
  private maps: { word: bigint; routes: RouteMaps } | undefined

  constructor(pins: Pins, { verdicts, balance, breakers, mirror, random }: RouterParts) {
    this.pins = pins
    this.verdicts = verdicts
    this.balance = balance
    this.breakers = breakers
    this.mirror = mirror
    this.random = random
  }

  for(client: KernelClient): Router {
    return { route: (request) => this.route(client, request) }
  }

  /** Live numbers of all services that requests of the client may be sent to. */
  reaches(client: Pick<KernelClient, 'service' | 'identity'>): number[] {
    const generation = this.verdicts.generations.current()
    const routes = generation && this.mapsOf(generation)
    const set = routes?.setFor(client.service, client.identity)
    if (!generation || !routes || set === undefined) return [client.service]
    const named = generation.routes.services(set).map((number) => routes.live(number))
    return [...new Set(named.filter((service) => service !== undefined))]
  }

  /** The edit of a response that the kernel left to the relay; undefined = its tables are no longer active. */
  responseEdit({ generation, at }: UneditedResponse['edit']): HeadEdit | undefined {
    const current = this.verdicts.generations.current()
    if (!current || current.word >> 8n !== generation) return undefined
    const change = current.routes.headerChange(at)
    return (head) => applyEdits(head, responseEdits(head, change))
  }

  close(): void {
    this.maps?.routes.close()
  }

  /** Does a route say more of its requests than that they go to the service? Unknown = yes. */
  isRouted({ service, identity }: Pick<KernelClient, 'service' | 'identity'>): boolean {
    const generation = this.verdicts.generations.current()
    return generation === undefined || this.mapsOf(generation).setFor(service, identity) !== undefined
  }

  private route(client: KernelClient, request: Request): Outcome {
    const generation = this.verdicts.generations.current()
    if (!generation) return NONE
    const routes = this.mapsOf(generation)
    const set = routes.setFor(client.service, client.identity)
    const question = { client, request, generation }
    if (set === undefined) return this.forward(question, client.service)
    const step = generation.routes.follow(set, { request, port: client.called.port }, this.random())
    if (step.kind === 'status') return { kind: 'reply', status: step.status }
    if (step.kind !== 'forward') return { kind: 'own-reply', reply: step.reply }
    const live = routes.live(step.service)
    return live === undefined ? UNKNOWN : this.forward(question, live, step)
  }

  /** What the service's breaker bounds; undefined = it has none. */
  ruleOf(
    service: number,
    generation: Generation | undefined = this.verdicts.generations.current(),
  ): RuleWords | undefined {
    const rule = generation && this.mapsOf(generation).breaker(service)
    return rule === undefined ? undefined : breakerIn(generation?.walker as Generation['walker'], rule)
  }

  /** Its breaker is asked before any endpoint is: what comes to nothing else is untold there. */
  private forward(question: Question, service: number, step?: Forward): Outcome {
    const rule = this.ruleOf(service, question.generation)
    if (rule === undefined) return this.chosen(question, service, step)
    const admitted = this.breakers.admit(service, rule)
    if (typeof admitted === 'string') return { kind: 'barred', reply: breakerReply(admitted) }
    try {
      const outcome = this.chosen(question, service, step)
      if (outcome.kind === 'forward') return { ...outcome, admitted }
      admitted.untold()
      return outcome
    } catch (error) {
      admitted.untold()
      throw error
    }
  }

  private chosen(question: Question, service: number, step?: Forward): Outcome {
    const { client, request } = question
    const { endpoints, cookie } = this.balance.order(service, { identity: client.identity, request })
    const [first, ...others] = endpoints
    if (first === undefined) return NONE
    const arriving = step ? { ...question, request: changedRequest(request, step.request) } : question
    const refusal = this.refusal(arriving, first)
    if (refusal !== undefined) return refusal
    const copies = this.copies(arriving, first)
    const open = [first, ...others.filter((each) => this.letsIn(arriving, each))]
    return {
      kind: 'forward',
      targets: open.map((each) => ({
        ...targetOf(client, each),
        call: () => this.balance.call(service, each),
      })) as [Target, ...Target[]],
      requestTimeout: step?.rule.requestTimeout ?? 0,
      backendTimeout: step?.rule.backendTimeout ?? 0,
      ...(step && {
        retry: step.retry,
        delay: delayOf(step, this.random()),
        idleTimeout: step.idleTimeout,
        ...(step.retry?.budget && { budget: this.budgets.of(service) }),
        request: (head) => applyEdits(head, requestEdits(head, step.request)),
      }),
      ...(copies.length > 0 && { copies }),
      ...((step || cookie) && { response: responseEdit(step?.response, cookie) }),
    }
  }

  /**
   * What inbound rules of the endpoint say, of this node; another node's are its own to enforce. Takes from
   * its limits, and tells its audits: once a request, however many endpoints it is tried at.
   */
  private refusal(question: Question, endpoint: KernelEndpoint): Outcome | undefined {
    const context = this.contextOf(question, endpoint)
    const { request } = question
    if (context?.kind === 'drop') return { kind: 'drop' }
    if (context?.kind !== 'judge') {
      context?.audit?.(request, 'passed')
      return undefined
    }
    const judged = context.take(request)
    context.audit?.(request, auditVerdict('judge', judged))
    if (typeof judged !== 'string') return { kind: 'limited', reply: limitedReply(judged) }
    return judged === 'deny' ? { kind: 'deny' } : undefined
  }

  /** What its rules copy, in the name of the workload that is asked. */
  private copies(question: Question, endpoint: KernelEndpoint): FormingCopy[] {
    const wanted = this.contextOf(question, endpoint)?.mirrored?.(question.request) ?? []
    const copy = this.mirror.begin(wanted, { address: endpoint.at.address })
    return copy === undefined ? [] : [copy]
  }

  private letsIn(question: Question, endpoint: KernelEndpoint): boolean {
    const context = this.contextOf(question, endpoint)
    return context?.kind === 'judge' ? context.allows(question.request) : context?.kind !== 'drop'
  }

  private contextOf({ client, generation }: Question, endpoint: KernelEndpoint): Context | undefined {
    if (!endpoint.local) return undefined
    const { address: local, port: localPort } = endpoint.at
    return this.verdicts.context({ local, localPort, remote: NOBODYS }, client.identity, generation)
  }

  private mapsOf(generation: Generation): RouteMaps {
    if (this.maps?.word === generation.word) return this.maps.routes
    this.maps?.routes.close()
    this.maps = { word: generation.word, routes: new RouteMaps(this.pins, generation.slot) }
    return this.maps.routes
  }
}

/** The route's, with the cookie behind what the route adds. */
function responseEdit(change: HeaderChange | undefined, cookie: SessionCookie | undefined): HeadEdit {
  const { drop, append } = change ?? { drop: [], append: [] }
  const set = cookie ? [{ name: 'Set-Cookie', value: cookie.setCookie }] : []
  const whole = { drop, append: [...append, ...set] }
  return (head) => applyEdits(head, responseEdits(head, whole))
}

function targetOf(client: KernelClient, { at, local }: KernelEndpoint): Target {
  return { address: addressText(at.address), port: at.port, identity: client.identity, local }
}
