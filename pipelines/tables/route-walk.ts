/**
 * Reads the routes of a blob as the kernel does (bpf/lib/route.h), and what the kernel leaves to the
 * relay: the relay's slow path, and the second implementation that tests compare.
 */
import { changedPath, type HeaderChange, type NewPath, type RequestChange } from '../policy/route-change.ts'
import { preflightOf, withCors } from '../policy/route-cors.ts'
import { applyEdits, responseEdits } from '../policy/route-edits.ts'
import { targetOf } from '../policy/route-match.ts'
import { byteText } from '../protocols/http1-grammar.ts'
import { fieldValues, type Request } from '../protocols/http1-request.ts'
import {
  AT,
  CLASS_ABSENT,
  CLASS_OTHER,
  CUT_BYTES,
  CUT_NONE,
  CUT_PATH,
  CUT_SLASH,
  DFA_WORDS,
  DIM_METHOD,
  LEAF,
  LEAF_NUMBER,
  MAX_DIMS,
  REDIRECT_FIXED,
  REDIRECT_HOST,
  REDIRECT_PORT,
  ROUTE_BACKEND_WORDS,
  ROUTE_NO_SERVICE,
  ROUTE_REPEATED,
  ROUTE_RULE_WORDS,
  ROUTE_SET_WORDS,
} from './layout.ts'
import { corsIn, delayIn, preflightReply, retryOf } from './route-relay.ts'
import type { FoundRule, RouteStep } from './route-step.ts'
import type { TablesWalker } from './walk.ts'

/** Of struct heddle_route_relay. */
type FirstWords = [number, number, number, number, number, number, number, number, number]
type Classes = { readonly classes: Uint16Array; readonly repeated: boolean }

const WORDS = { rules_at: 6, queries: 8 } as const
const bytesOf = (text: string) => Uint8Array.from(text, (character) => character.charCodeAt(0))

export class RouteWalker {
  private readonly tables: TablesWalker
  private readonly reached = new Map<number, readonly number[]>()

  constructor(tables: TablesWalker) {
    this.tables = tables
  }

  /** The rule of a set that takes the request; undefined = 404. */
  find(set: number, request: Request): FoundRule | undefined {
    const at = this.ruleAt(set, this.leaf(this.root(set, request), this.joined(set, request)) as number)
    if (at === 0) return undefined
    const [reason, , , , requestTimeout, backendTimeout] = this.words(at, ROUTE_RULE_WORDS)
    return { at, reason, requestTimeout, backendTimeout } as FoundRule
  }

  /** Why the kernel does not answer this itself; 0 = it does. */
  slow(set: number, request: Request): number {
    const found = this.leaf(this.root(set, request), this.asParsed(set, request))
    if (found === 'slow') return ROUTE_REPEATED
    const at = this.ruleAt(set, found)
    return at === 0 ? 0 : this.word(at)
  }

  /** Of a rule, where a random number (32 bits) leads: struct heddle_route_backend; 0 = nowhere. */
  backendAt(rule: FoundRule, random: number): number {
    const [, at, count, weight] = this.words(rule.at, ROUTE_RULE_WORDS) as [number, number, number, number]
    const point = Number((BigInt(random) * BigInt(weight)) >> 32n)
    for (let i = 0; i < count; i++) {
      const backend = at + i * ROUTE_BACKEND_WORDS
      if (this.word(backend) > point) return backend
    }
    return 0
  }

  /** Every service that rules of a set send requests to. Asked for each connection, found once. */
  services(set: number): readonly number[] {
    const known = this.reached.get(set)
    if (known) return known
    const at = this.setAt(set)
    const [first, rules] = this.words(at + WORDS.rules_at, 2) as [number, number]
    const found = new Set<number>()
    for (let rule = 0; rule < rules; rule++) {
      const [, backends, count] = this.words(first + rule * ROUTE_RULE_WORDS, ROUTE_RULE_WORDS) as number[]
      for (let i = 0; i < (count as number); i++)
        found.add(this.word((backends as number) + i * ROUTE_BACKEND_WORDS + 1))
    }
    found.delete(ROUTE_NO_SERVICE)
    this.reached.set(set, [...found])
    return [...found]
  }

  /** All of it. `port`: what the client asked for. */
  follow(set: number, { request, port }: { request: Request; port: number }, random: number): RouteStep {
    const rule = this.find(set, request)
    if (rule === undefined) return { kind: 'status', status: 404 }
    const at = this.backendAt(rule, random)
    if (at === 0) return { kind: 'status', status: 500 }
    const words = this.words(at, ROUTE_BACKEND_WORDS) as [number, number, number, number, number, number]
    const [, service, redirect, change, response, relay] = words
    const { cors, retry, delay, idle } = this.relayPart(relay)
    const fields = cors && preflightOf(cors, request)
    if (fields !== undefined) return { kind: 'preflight', reply: preflightReply(fields) }
    if (redirect !== 0) {
      const reply = this.redirect(redirect, request, port)
      const permitted = responseEdits(reply, withCors({ drop: [], append: [] }, cors, request))
      const kind = (this.word(redirect) & REDIRECT_FIXED) === 0 ? 'redirect' : 'respond'
      return { kind, reply: applyEdits(reply, permitted) }
    }
    if (service === ROUTE_NO_SERVICE) return { kind: 'status', status: 500 }
    return {
      kind: 'forward',
      service,
      request: this.requestChange(change),
      response: withCors(this.headerChange(response), cors, request),
      rule,
      retry,
      delay,
      idleTimeout: idle,
    }
  }

  /** struct heddle_route_edit of a request; 0 = no change. */
  requestChange(at: number): RequestChange {
    const headers = this.headerChange(at)
    if (at === 0) return { path: null, host: null, headers }
    const host = this.text(at + 8)
    return { path: this.newPath(this.word(at), this.text(at + 6)), host: host === '' ? null : host, headers }
  }

  /** Names and lines of a struct heddle_route_edit. */
  headerChange(at: number): HeaderChange {
    if (at === 0) return { drop: [], append: [] }
    const lines = this.text(at + 10)
      .split('\r\n')
      .slice(0, -1)
    return {
      drop: this.text(at + 4)
        .split('\n')
        .slice(0, -1),
      append: lines.map((line) => {
        const colon = line.indexOf(':')
        return { name: line.slice(0, colon), value: line.slice(colon + 2) }
      }),
    }
  }

  /** struct heddle_route_relay; 0 = none. */
  private relayPart(at: number) {
    if (at === 0) return { cors: undefined, retry: undefined, delay: undefined, idle: 0 }
    const words = this.words(at, 9) as FirstWords
    const [attempts, backoff, cors, maxAge, delay, delayed, idle, budget, least] = words
    const texts = [10, 12, 14, 16, 18].map((offset) => this.raw(at + offset))
    const [codes, origins, methods, headers, expose] = texts as [string, string, string, string, string]
    const lists = { codes, origins, methods, headers, expose }
    const part = { attempts, backoff, cors, maxAge, delay, delayed, idle, budget, least, ...lists }
    return { cors: corsIn(part), retry: retryOf(part), delay: delayIn(part), idle }
  }

  private newPath(cut: number, target: string): NewPath | null {
    if ((cut & CUT_NONE) !== 0) return null
    if ((cut & CUT_PATH) !== 0) return { kind: 'full', value: target }
    return { kind: 'prefix', length: cut & CUT_BYTES, value: (cut & CUT_SLASH) === 0 ? target : '' }
  }

  private redirect(at: number, request: Request, port: number): Uint8Array {
    const flags = this.word(at)
    if ((flags & REDIRECT_FIXED) !== 0) {
      const body = byteText(request.method) === 'HEAD' ? '' : this.raw(at + 10)
      return bytesOf(`${this.raw(at + 2)}${body}`)
    }
    const named = byteText(fieldValues(request, 'host')[0] ?? new Uint8Array()).replace(/:\d*$/, '')
    const host = named === '' ? this.raw(at + 4) : named
    const { path = '/', query } = targetOf(request)
    const change = this.newPath(this.word(at + 1), this.raw(at + 8))
    const parts = [
      this.raw(at + 2),
      (flags & REDIRECT_HOST) === 0 ? '' : host,
      (flags & REDIRECT_PORT) === 0 || port === 80 ? '' : `:${port}`,
      this.raw(at + 6),
      change === null ? path : changedPath(path, change),
      query === undefined ? '' : `?${query}`,
      this.raw(at + 10),
    ]
    return bytesOf(parts.join(''))
  }

  private word(at: number): number {
    return this.tables.word(at)
  }

  private words(at: number, count: number): number[] {
    return Array.from({ length: count }, (_, i) => this.word(at + i))
  }

  /** struct heddle_text. */
  private text(at: number): string {
    const escaped = [...this.raw(at)].map(
      (character) => `%${character.charCodeAt(0).toString(16).padStart(2, '0')}`,
    )
    return decodeURIComponent(escaped.join(''))
  }

  /** The same, one character a byte. */
  private raw(at: number): string {
    const start = this.word(at)
    return byteText(
      Uint8Array.from({ length: this.word(at + 1) }, (_, i) => this.word(start + (i >> 2)) >>> (8 * (i & 3))),
    )
  }

  private setAt(set: number): number {
    return this.word(AT.route_sets_at) + set * ROUTE_SET_WORDS
  }

  private root(set: number, request: Request): number {
    return this.tables.walk(this.setAt(set), request.target).final
  }

  private ruleAt(set: number, leaf: number): number {
    return leaf === 0 ? 0 : this.word(this.setAt(set) + WORDS.rules_at) + (leaf - 1) * ROUTE_RULE_WORDS
  }

  private valueClass(dim: number, value: Uint8Array): number {
    return this.tables.walk(this.word(AT.values_at) + dim * DFA_WORDS, value).final || CLASS_OTHER
  }

  /** Header values by dimension. */
  private values({ fields }: Request): Map<number, Uint8Array[]> {
    const values = new Map<number, Uint8Array[]>()
    for (const { name, value } of fields) {
      const dim = (this.tables.walk(AT.names, name).final >> 8) & (MAX_DIMS - 1)
      if (dim !== 0) values.set(dim, [...(values.get(dim) ?? []), value])
    }
    return values
  }

  /** Classes as a request means them: a header that comes again is one value with the first. */
  private joined(set: number, request: Request): Classes {
    const classes = this.ofTarget(set, request)
    for (const [dim, values] of this.values(request)) {
      classes[dim] = this.valueClass(dim, bytesOf(values.map(byteText).join(',')))
    }
    return { classes, repeated: false }
  }

  /** Classes as the parser leaves them (protocols/http1/field.h, query.h). */
  private asParsed(set: number, request: Request): Classes {
    const text = String.fromCharCode(...request.method, 0x20, ...request.target)
    const twice = [...this.values(request).values()].some(({ length }) => length > 1)
    return { ...this.joined(set, request), repeated: text === 'OPTIONS *' || twice }
  }

  private ofTarget(set: number, request: Request): Uint16Array {
    const classes = new Uint16Array(this.word(AT.dims))
    classes[DIM_METHOD] = this.tables.walk(AT.method, request.method).final || CLASS_OTHER
    if (this.word(this.setAt(set) + WORDS.queries) === 0) return classes
    const { query } = targetOf(request)
    for (const parameter of query?.split('&') ?? []) {
      const sign = parameter.indexOf('=')
      const name = sign < 0 ? parameter : parameter.slice(0, sign)
      const dim = this.tables.walk(AT.queries, bytesOf(name)).final
      if (dim === 0 || classes[dim] !== CLASS_ABSENT) continue
      classes[dim] = this.valueClass(dim, bytesOf(sign < 0 ? '' : parameter.slice(sign + 1)))
    }
    return classes
  }

  /** The leaf that the diagram leads to; 'slow' = it asks what only the joined value tells. */
  private leaf(root: number, { classes, repeated }: Classes): number | 'slow' {
    const diagramAt = this.word(AT.route_diagram_at)
    let at = root
    while (at !== 0 && at < LEAF) {
      const dim = this.word(diagramAt + 2 * at + 1)
      if (repeated && dim !== DIM_METHOD && classes[dim] === CLASS_OTHER) return 'slow'
      const entry = diagramAt + 2 * (at + 1 + (classes[dim] as number))
      at = this.word(entry) === at ? this.word(entry + 1) : this.word(diagramAt + 2 * at)
    }
    return at & LEAF_NUMBER
  }
}
