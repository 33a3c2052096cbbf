/** Lays routes out in the blob: structs heddle_route_* of bpf/abi/heddle.h. What is equal stands there once. */
import { utf8 } from '../bytes.ts'
import { serviceText } from '../policy/route.ts'
import type { BlobWriter } from './blob-writer.ts'
import { AT, ROUTE_NO_SERVICE } from './layout.ts'
import type { CollectedRoutes } from './route-collect.ts'
import type { HeadEdit, RedirectReply } from './route-edits.ts'
import type { RelayPart } from './route-relay.ts'
import type { TableBackend, TableRule } from './route-rules.ts'
import type { RouteTables } from './route-tables.ts'

type Put = (at: number, words: readonly number[]) => void

class RouteWriter {
  private readonly known = new Map<string, number>()
  private readonly writer: BlobWriter
  private readonly collected: CollectedRoutes

  constructor(writer: BlobWriter, collected: CollectedRoutes) {
    this.writer = writer
    this.collected = collected
  }

  rules(rules: readonly TableRule[]): number {
    return this.section(
      rules.flatMap(({ reason, backends, requestTimeout, backendTimeout }) => [
        reason,
        this.backends(backends),
        backends.length,
        backends.reduce((sum, { weight }) => sum + weight, 0),
        requestTimeout,
        backendTimeout,
      ]),
    )
  }

  private backends(backends: readonly TableBackend[]): number {
    let end = 0
    return this.section(
      backends.flatMap(({ weight, service, redirect, request, response, relay }) => {
        end += weight
        return [
          end,
          service === null ? ROUTE_NO_SERVICE : this.service(service),
          redirect === null ? 0 : this.redirect(redirect),
          request === null ? 0 : this.edit(request),
          response === null ? 0 : this.edit(response),
          relay === null ? 0 : this.relay(relay),
        ]
      }),
    )
  }

  private service(service: NonNullable<TableBackend['service']>): number {
    return this.collected.services.number(serviceText(service), service)
  }

  private edit({ cut, target, host, names, lines }: HeadEdit): number {
    const numbers = names.map((name) => this.collected.names.number(name, name) + 1).sort((a, b) => a - b)
    const dropped = names.map((name) => `${name}\n`).join('')
    const texts = [dropped, target, host, lines].flatMap((text) => this.text(text))
    return this.section([cut, this.section(numbers), numbers.length, 0, ...texts])
  }

  private redirect({ flags, cut, before, name, port, target, after }: RedirectReply): number {
    const texts = [before, name, port, target, after].flatMap((text) => this.text(text))
    return this.section([flags, cut, ...texts])
  }

  private relay({
    attempts,
    backoff,
    cors,
    maxAge,
    delay,
    delayed,
    idle,
    budget,
    least,
    ...lists
  }: RelayPart): number {
    const { codes, origins, methods, headers, expose } = lists
    const texts = [codes, origins, methods, headers, expose].flatMap((text) => this.text(text))
    return this.section([attempts, backoff, cors, maxAge, delay, delayed, idle, budget, least, 0, ...texts])
  }

  /** struct heddle_text. */
  private text(text: string): [number, number] {
    const bytes = utf8(text)
    const words = new Uint32Array(Math.ceil(bytes.length / 8) * 2)
    bytes.forEach((byte, at) => {
      words[at >> 2] = ((words[at >> 2] as number) | (byte << (8 * (at & 3)))) >>> 0
    })
    return [this.section([...words]), bytes.length]
  }

  private section(words: readonly number[]): number {
    if (words.length === 0) return 0
    const key = words.join()
    const at = this.known.get(key) ?? this.writer.append(words)
    this.known.set(key, at)
    return at
  }
}

/** Nothing is written where there are no routes. */
export function writeRoutes(
  writer: BlobWriter,
  put: Put,
  { collected, diagram, paths, pathsOf, queries }: RouteTables,
): void {
  if (collected.sets.length === 0) return
  const routes = new RouteWriter(writer, collected)
  const automata = paths.map((automaton) => writer.automaton(automaton))
  const sets = collected.sets.flatMap((set, number) => [
    ...(automata[pathsOf[number] as number] as number[]),
    routes.rules(set.rules),
    set.rules.length,
    Number(set.queries),
    0,
  ])
  if (queries !== null) put(AT.queries, writer.automaton(queries))
  writer.set(AT.route_sets_at, writer.append(sets))
  writer.set(AT.route_sets, collected.sets.length)
  writer.set(AT.route_diagram_at, writer.append(diagram))
}
