/** What a policy set's routes ask of heads and do to them, with numbers in place of names. */
import type { RouteEntry } from '../contract/artifact.ts'
import { type Route, type ServicePort, serviceText } from '../policy/route.ts'
import type { Dimensions } from './dimensions.ts'
import type { Item } from './route-diagram.ts'
import type { LocatedPath } from './route-paths.ts'
import { type TableRule, tableRule, variantOf } from './route-rules.ts'
import { type RouteSet, routeSets } from './route-sets.ts'
import { Failure } from '../contract/failures.ts'

/** An item, and its place among all matches of the set. */
export type PlacedItem = Item & { readonly place: number }

export type CollectedSet = {
  readonly paths: readonly LocatedPath[]
  /** By path, in precedence; none behind one that asks nothing more. */
  readonly items: readonly (readonly PlacedItem[])[]
  readonly rules: readonly TableRule[]
  readonly queries: boolean
}

export type CollectedRoutes = {
  readonly entries: readonly RouteEntry[]
  readonly sets: readonly CollectedSet[]
  readonly services: Numbers<ServicePort>
  /** Headers that an edit leaves out; a name's number is one more than its index. */
  readonly names: Numbers<string>
}

/** The upper half of a final value. */
const MAX_NAMES = 0xffff

/** Distinct things in the order in which they came, by the text that stands for each. */
export class Numbers<T> {
  readonly list: T[] = []
  private readonly known = new Map<string, number>()

  number(text: string, thing: T): number {
    const number = this.known.get(text) ?? this.list.push(thing) - 1
    this.known.set(text, number)
    return number
  }
}

/** Throws Failure('limit-exceeded' | 'expression-invalid' | 'unsupported-feature'), located. */
export function collectRoutes(routes: readonly Route[], dimensions: Dimensions): CollectedRoutes {
  const { entries, sets } = routeSets(routes)
  const services = new Numbers<ServicePort>()
  const names = new Numbers<string>()
  const collected = sets.map((set) => collectSet(set, dimensions))
  for (const { backends } of collected.flatMap(({ rules }) => rules)) {
    for (const { service, request, response } of backends) {
      if (service !== null) services.number(serviceText(service), service)
      for (const name of [...(request?.names ?? []), ...(response?.names ?? [])]) names.number(name, name)
    }
  }
  if (names.list.length > MAX_NAMES)
    throw new Failure('limit-exceeded', `filters set or remove more than ${MAX_NAMES} different headers`)
  return { entries, sets: collected, services, names }
}

function collectSet({ candidates, service }: RouteSet, dimensions: Dimensions): CollectedSet {
  const paths = new Numbers<LocatedPath>()
  const items: PlacedItem[][] = []
  const rules: TableRule[] = []
  const variants = new Map<object, Map<string, number>>()
  const leafOf = (candidate: (typeof candidates)[number]): number => {
    const known = variants.get(candidate.rule) ?? new Map<string, number>()
    variants.set(candidate.rule, known)
    const variant = variantOf(candidate)
    const leaf = known.get(variant) ?? rules.push(tableRule(candidate, service))
    known.set(variant, leaf)
    return leaf
  }
  candidates.forEach((candidate, place) => {
    const { path, source } = candidate.match
    const number = paths.number(`${path.kind} ${path.value}`, { path, source })
    const list = items[number] ?? []
    items[number] = list
    const { demands } = dimensions.ofRoute(candidate.match)
    if (list.at(-1)?.demands.length !== 0) list.push({ demands, leaf: leafOf(candidate), place })
  })
  const queries = candidates.some(({ match }) => match.query.length > 0)
  return { paths: paths.list, items, rules, queries }
}
