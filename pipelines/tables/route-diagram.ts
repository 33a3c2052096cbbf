/**
 * From what a head's path leaves open to the one match that decides: as diagram.ts, but the
 * first match whose demands hold wins, in place of all of them.
 */
import { Failure } from '../contract/failures.ts'
import { common } from './diagram.ts'
import type { Remainder, ValueClasses } from './dimensions.ts'
import { LEAF } from './layout.ts'
import { type Next, type Node, type PackedDiagram, packDiagram } from './pack-diagram.ts'

/** A match without its path; leaf 0 is what follows when none holds. */
export type Item = Remainder & { readonly leaf: number }

/** Questions of all sets together: some 2 million words. */
const MAX_NODES = 1 << 17
/** Items looked at while building: a few seconds. */
const MAX_WORK = 1 << 25

export class RouteDiagram {
  private readonly items: Item[] = []
  private readonly numbers = new Map<string, number>()
  private readonly nodes: Node[] = []
  private readonly known = new Map<string, Next>()
  private readonly built = new Map<string, Next>()
  private readonly classes: readonly ValueClasses[]
  private work = 0

  constructor(classes: readonly ValueClasses[]) {
    this.classes = classes
  }

  /** The root for these items, in the order in which they are asked. Throws Failure('limit-exceeded'). */
  root(items: readonly Item[]): Next {
    return this.decide(
      items.map((item) => this.number(item)),
      0,
    )
  }

  pack(): PackedDiagram {
    return packDiagram(this.nodes, this.classes)
  }

  private number(item: Item): number {
    const key = `${item.demands.join(';')}|${item.leaf}`
    const known = this.numbers.get(key) ?? this.items.push(item) - 1
    this.numbers.set(key, known)
    return known
  }

  /** `active`: items whose demands on dimensions before `from` hold. */
  private decide(active: readonly number[], from: number): Next {
    let dim = this.classes.length
    let end = 0
    let leaf = 0
    while (end < active.length) {
      const item = this.items[active[end++] as number] as Item
      const next = item.demands.find(([of]) => of >= from)?.[0]
      if (next === undefined) {
        // Holds already: what comes behind is never asked.
        leaf = item.leaf
        break
      }
      dim = Math.min(dim, next)
    }
    this.count(end + 1)
    if (dim === this.classes.length) return (LEAF | leaf) >>> 0
    const asked = end === active.length ? active : active.slice(0, end)
    const key = `${dim}:${asked.join()}`
    const known = this.built.get(key)
    if (known !== undefined) return known
    const next = this.ask(asked, dim)
    this.built.set(key, next)
    return next
  }

  private ask(asked: readonly number[], dim: number): Next {
    const classes = this.classes[dim] as ValueClasses
    /** Places in `asked`, ascending: those that ask nothing here, and those that a class satisfies. */
    const always: number[] = []
    const byClass = new Map<number, number[]>()
    asked.forEach((id, place) => {
      const demands = (this.items[id] as Item).demands.filter(([of]) => of === dim)
      if (demands.length === 0) always.push(place)
      const values = demands.map(([, demand]) => demand)
      for (const value of common(values, classes)) {
        const places = byClass.get(value)
        if (places === undefined) byClass.set(value, [place])
        else places.push(place)
        this.count(1)
      }
    })
    const decide = (places: readonly number[]): Next => {
      this.count(places.length)
      return this.decide(
        places.map((place) => asked[place] as number),
        dim + 1,
      )
    }
    const otherwise = decide(always)
    const cases: [number, Next][] = []
    for (const [value, places] of [...byClass].sort(([a], [b]) => a - b)) {
      const next = decide(merged(always, places))
      if (next !== otherwise) cases.push([value, next])
    }
    return this.node({ dim, otherwise, cases })
  }

  private node(node: Node): Next {
    if (node.cases.length === 0) return node.otherwise
    const key = `${node.dim}:${node.otherwise}:${node.cases.join(';')}`
    const known = this.known.get(key) ?? this.nodes.push(node) - 1
    this.known.set(key, known)
    return known
  }

  private count(work: number): void {
    this.work += work
    if (this.work <= MAX_WORK && this.nodes.length <= MAX_NODES) return
    throw new Failure(
      'limit-exceeded',
      `methods, headers and query parameters of the routes combine to more than ${MAX_NODES} questions: ` +
        'use fewer different ones in matches whose paths overlap',
    )
  }
}

/** Two ascending lists as one. */
function merged(left: readonly number[], right: readonly number[]): number[] {
  const all: number[] = []
  let at = 0
  for (const place of right) {
    while (at < left.length && (left[at] as number) < place) all.push(left[at++] as number)
    all.push(place)
  }
  while (at < left.length) all.push(left[at++] as number)
  return all
}
