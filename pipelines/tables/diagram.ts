/**
 * Decision diagram: from a set of remainders to the blocks that allow a request,
 * one question a dimension. Ordered and with shared nodes (Bryant 1986, with as many
 * branches as the dimension has classes), so equal questions are asked in one place.
 */
import { Failure } from '../contract/failures.ts'
import type { Demand, Remainder, ValueClasses } from './dimensions.ts'
import { CLASS_ABSENT, LEAF } from './layout.ts'
import { type Next, type Node, type PackedDiagram, packDiagram } from './pack-diagram.ts'
import { type Row, RowTable } from './rows.ts'

/** A match without its path, and the blocks that it belongs to. */
export type Group = Remainder & { readonly blocks: Row }

/** Questions in one diagram: what a path can be combined with, not how many paths there are. */
const MAX_NODES = 1 << 15
/** Remainders looked at while building: a few seconds. */
const MAX_WORK = 1 << 24

export class DiagramBuilder {
  readonly leaves = new RowTable()
  private readonly nodes: Node[] = []
  private readonly known = new Map<string, Next>()
  private readonly built = new Map<string, Next>()
  private readonly groups: readonly Group[]
  private readonly classes: readonly ValueClasses[]
  private work = 0

  constructor(groups: readonly Group[], classes: readonly ValueClasses[]) {
    this.groups = groups
    this.classes = classes
    this.leaves.number(0n)
  }

  /** The root that decides for any of these groups. Throws Failure('limit-exceeded'). */
  root(groups: readonly number[]): Next {
    return this.decide(groups, 0)
  }

  /** `active`: groups whose demands on dimensions before `dim` hold. */
  private decide(active: readonly number[], from: number): Next {
    this.count(active.length + 1)
    let free: Row = 0n
    let dim = this.classes.length
    for (const id of active) {
      const group = this.groups[id] as Group
      const next = group.demands.find(([of]) => of >= from)?.[0]
      if (next === undefined) free |= group.blocks
      else if (next < dim) dim = next
    }
    if (dim === this.classes.length) return (LEAF | this.leaves.number(free)) >>> 0
    // What is allowed already needs no question.
    const useful = active.filter((id) => {
      const { blocks, demands } = this.groups[id] as Group
      return (blocks & ~free) !== 0n || demands.every(([of]) => of < from)
    })
    if (useful.length < active.length) return this.decide(useful, from)
    const key = `${dim}:${active.join()}`
    const known = this.built.get(key)
    if (known !== undefined) return known
    const next = this.ask(active, dim)
    this.built.set(key, next)
    return next
  }

  private ask(active: readonly number[], dim: number): Next {
    const { absent, other, byClass } = this.byClass(active, dim)
    const decide = (ids: Iterable<number>): Next =>
      this.decide(
        [...ids].sort((a, b) => a - b),
        dim + 1,
      )
    const otherwise = decide(other)
    const cases: [number, Next][] = []
    const without = decide(absent)
    if (without !== otherwise) cases.push([CLASS_ABSENT, without])
    for (const [value, { more, less }] of [...byClass].sort(([a], [b]) => a - b)) {
      this.count(more.length + less.size)
      const next = decide([...other.filter((id) => !less.has(id)), ...more])
      if (next !== otherwise) cases.push([value, next])
    }
    return this.node({ dim, otherwise, cases })
  }

  /**
   * Groups that hold where the dimension is absent, those that hold for a value that no demand
   * names, and for each class which hold besides, and which do not.
   */
  private byClass(active: readonly number[], dim: number) {
    const classes = this.classes[dim] as ValueClasses
    const absent: number[] = []
    const other: number[] = []
    const byClass = new Map<number, { more: number[]; less: Set<number> }>()
    const at = (value: number) => {
      const known = byClass.get(value) ?? { more: [], less: new Set() }
      byClass.set(value, known)
      this.count(1)
      return known
    }
    for (const id of active) {
      const demands = (this.groups[id] as Group).demands
        .filter(([of]) => of === dim)
        .map(([, demand]) => demand)
      const wanted = demands.filter((demand) => demand >= 0)
      const unwanted = demands.filter((demand) => demand < 0).map((demand) => ~demand)
      const values = wanted.filter((demand) => demand !== classes.present)
      if (wanted.length === 0) absent.push(id)
      if (unwanted.some((demand) => demand === classes.present)) continue
      const refused = new Set(unwanted.flatMap((demand) => classes.satisfied[demand] ?? []))
      if (values.length === 0) {
        other.push(id)
        for (const value of refused) at(value).less.add(id)
      }
      for (const value of common(values, classes)) if (!refused.has(value)) at(value).more.push(id)
    }
    return { absent, other, byClass }
  }

  private node(node: Node): Next {
    if (node.cases.length === 0) return node.otherwise
    const key = `${node.dim}:${node.otherwise}:${node.cases.join(';')}`
    const known = this.known.get(key)
    if (known !== undefined) return known
    const number = this.nodes.push(node) - 1
    this.known.set(key, number)
    return number
  }

  private count(work: number): void {
    this.work += work
    if (this.work <= MAX_WORK && this.nodes.length <= MAX_NODES) return
    throw new Failure(
      'limit-exceeded',
      `methods, hosts and headers of the rules combine to more than ${MAX_NODES} questions: ` +
        'use fewer different headers in rules whose paths overlap',
    )
  }

  /** Words of the diagram, and where each `next` given out so far stands in it. */
  pack(): PackedDiagram {
    return packDiagram(this.nodes, this.classes)
  }
}

/** Classes that satisfy all of the demands. */
export function common(demands: readonly Demand[], classes: ValueClasses): readonly number[] {
  const [first, ...rest] = demands
  if (first === undefined) return []
  const values = classes.satisfied[first] ?? []
  return rest.length === 0
    ? values
    : values.filter((v) => rest.every((d) => classes.satisfied[d]?.includes(v)))
}
