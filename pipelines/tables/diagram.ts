/**
 * Decision diagram: from a set of remainders to the blocks that allow a request,
 * one question a dimension. Ordered and with shared nodes (Bryant 1986, with as many
 * branches as the dimension has classes), so equal questions are asked in one place.
 */
import { Failure } from '../contract/failures.ts'
import type { Demand, Remainder, ValueClasses } from './dimensions.ts'
import { CLASS_ABSENT, LEAF } from './layout.ts'
import { type Next, type Node, type PackedDiagram, packDiagram } from './pack-diagram.ts'
import type { Row } from './rows.ts'

/** A match without its path, and the blocks that it belongs to. */
export type Group = Remainder & { readonly blocks: Row }

/** Questions of all roots: what paths can be combined with, not how many paths there are. */
const MAX_NODES = 1 << 15
/** Questions of one part of a root: groups that need more have little in common, and are asked one after the other. */
const PART_NODES = 1 << 10
/** Remainders looked at while building: a few seconds. */
const MAX_WORK = 1 << 24

/** What a part ends in: blocks that hold, and the root that is asked as well. */
class Leaves {
  readonly rows: Row[] = []
  readonly thens: Next[] = []
  private readonly numbers = new Map<string, number>()

  number(row: Row, then: Next): number {
    const key = `${then}:${row}`
    const known = this.numbers.get(key) ?? this.rows.push(row) - 1
    this.thens[known] = then
    this.numbers.set(key, known)
    return known
  }
}

/** Nobody is left to ask. */
const NOTHING: Next = LEAF

class PartLimit extends Error {}

export class DiagramBuilder {
  readonly leaves = new Leaves()
  private readonly nodes: Node[] = []
  /** Of groups that were parted: the same ones are together under every root. */
  private readonly partOf = new Map<number, number>()
  private parts = 1
  private behind: Next = NOTHING
  private most = 0
  private readonly known = new Map<string, Next>()
  private readonly built = new Map<string, Next>()
  private readonly groups: readonly Group[]
  private readonly classes: readonly ValueClasses[]
  private work = 0

  constructor(groups: readonly Group[], classes: readonly ValueClasses[]) {
    this.groups = groups
    this.classes = classes
    this.leaves.number(0n, NOTHING)
  }

  /**
   * The root that decides for any of these groups. Where they ask about different things, as rules of different
   * workloads do, their answers multiply: such groups are parted, and the leaves of one part lead to the next.
   * Throws Failure('limit-exceeded').
   */
  root(groups: readonly number[]): Next {
    const parts = this.parted(groups)
    this.behind = NOTHING
    for (let part = parts.pop(); part !== undefined; part = parts.pop()) {
      const next = this.part(part)
      if (next === undefined) parts.push(...this.halves(part))
      else this.behind = next
    }
    return this.behind
  }

  private parted(groups: readonly number[]): number[][] {
    const parts = new Map<number, number[]>()
    for (const id of groups) {
      const part = this.partOf.get(id) ?? 0
      parts.set(part, [...(parts.get(part) ?? []), id])
    }
    return [...parts.values()]
  }

  /** Those that ask about the same stay together. */
  private halves(part: readonly number[]): [number[], number[]] {
    const asks = (id: number) => (this.groups[id] as Group).demands.map(([dim]) => dim).join()
    const sorted = part.map((id) => ({ id, asks: asks(id) })).sort((a, b) => (a.asks < b.asks ? -1 : 1))
    const ids = sorted.map(({ id }) => id)
    const half = ids.length >> 1
    const number = this.parts++
    for (const id of ids.slice(half)) this.partOf.set(id, number)
    return [ids.slice(0, half).sort((a, b) => a - b), ids.slice(half).sort((a, b) => a - b)]
  }

  /** Undefined = they ask too much at once. */
  private part(groups: readonly number[]): Next | undefined {
    const nodes = this.nodes.length
    this.most = groups.length === 1 ? MAX_NODES : nodes + PART_NODES
    try {
      return this.decide(groups, 0)
    } catch (error) {
      if (!(error instanceof PartLimit)) throw error
      this.nodes.length = nodes
      for (const map of [this.known, this.built])
        for (const [key, next] of map) if (next >= nodes && next < LEAF) map.delete(key)
      return undefined
    }
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
    if (dim === this.classes.length) return (LEAF | this.leaves.number(free, this.behind)) >>> 0
    // What is allowed already needs no question.
    const useful = active.filter((id) => {
      const { blocks, demands } = this.groups[id] as Group
      return (blocks & ~free) !== 0n || demands.every(([of]) => of < from)
    })
    if (useful.length < active.length) return this.decide(useful, from)
    const key = `${this.behind}:${dim}:${active.join()}`
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
    if (this.nodes.length > this.most) throw new PartLimit()
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
