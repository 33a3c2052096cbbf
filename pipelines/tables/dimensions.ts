/**
 * What a rule asks of a request besides its path, as value classes: all values of
 * a dimension that no rule tells apart are one class, so a verdict compares numbers.
 */
import { type ByteSet, range, single } from '../automata/byte-set.ts'
import type { Dfa } from '../automata/dfa.ts'
import { determinize } from '../automata/determinize.ts'
import type { GroupedPattern } from '../automata/nfa.ts'
import { parseRegex } from '../automata/regex.ts'
import { type RegexNode, setNode } from '../automata/regex-node.ts'
import { Failure } from '../contract/failures.ts'
import { utf8 } from '../bytes.ts'
import type { HttpMatch } from '../policy/model.ts'
import type { NamedMatch, RouteMatch } from '../policy/route.ts'
import type { Source } from '../policy/source.ts'
import { at } from './blocks.ts'
import { CLASS_FIRST, DIM_HOST, DIM_METHOD, MAX_DIMS } from './layout.ts'

/** Bytes of a request target and of a method (RFC 9112 3). */
export const TEXT: ByteSet = range(0x21, 0x7e)
/** Bytes of a field value (RFC 9110 5.5). */
const VALUE: ByteSet = single(0x09) | range(0x20, 0x7e) | range(0x80, 0xff)
/** Classes are 16-bit numbers in the kernel. */
const MAX_CLASSES = 65_535

/** A demand on one dimension; equal demands are one number. */
export type Demand = number

type DemandKey = 'present' | { readonly text: string; readonly node: RegexNode }

export class Dimension {
  readonly name: string
  private readonly demands: DemandKey[] = []
  private readonly numbers = new Map<string, Demand>()

  constructor(name: string) {
    this.name = name
  }

  /** That the header is there, whatever its value and however often. */
  present(): Demand {
    return this.demand('present', 'present')
  }

  /** That the value matches; `node` is asked for only once for equal texts. */
  value(text: string, node: () => RegexNode): Demand {
    return this.numbers.get(text) ?? this.demand(text, { text, node: node() })
  }

  private demand(key: string, demand: DemandKey): Demand {
    const known = this.numbers.get(key) ?? this.demands.push(demand) - 1
    this.numbers.set(key, known)
    return known
  }

  /** The automaton of values, and which classes satisfy each demand. Throws AutomatonLimit. */
  classes(alphabet: ByteSet): ValueClasses {
    const patterns: GroupedPattern[] = this.demands.flatMap((demand, group) =>
      demand === 'present' ? [] : [{ node: demand.node, group, text: demand.text }],
    )
    const dfa = determinize(patterns, { alphabet, latches: 'none' })
    const used = [...new Set(dfa.finals)].filter((set) => set !== 0)
    if (used.length + CLASS_FIRST > MAX_CLASSES) {
      throw new Failure('limit-exceeded', `${this.name}: more than ${MAX_CLASSES} kinds of values`)
    }
    const classOf = new Map(used.map((set, index) => [set, index + CLASS_FIRST]))
    const satisfied = this.demands.map((_, demand) =>
      used.filter((set) => dfa.groupSets[set]?.includes(demand)).map((set) => classOf.get(set) as number),
    )
    return {
      dfa,
      count: used.length + CLASS_FIRST,
      final: (state) => classOf.get(dfa.finals[state] as number) ?? 0,
      satisfied,
      present: this.numbers.get('present'),
    }
  }
}

export type ValueClasses = {
  readonly dfa: Dfa
  /** Classes with CLASS_ABSENT and CLASS_OTHER. */
  readonly count: number
  /** Value class of a state, 0 = none that a rule names. */
  final(state: number): number
  /** demand -> value classes; for `present` that is every class but CLASS_ABSENT, and not listed. */
  readonly satisfied: readonly (readonly number[])[]
  readonly present: Demand | undefined
}

/** A match without its path: dimension → demands, all of which must hold. */
export type Remainder = { readonly demands: readonly (readonly [dim: number, demand: Demand])[] }

export class Dimensions {
  readonly list: Dimension[] = []
  private readonly headers = new Map<string, number>()
  private readonly parameters = new Map<string, number>()

  constructor() {
    this.list[DIM_METHOD] = new Dimension('method')
    this.list[DIM_HOST] = new Dimension('host')
    this.headers.set('host', DIM_HOST)
  }

  /** Name in lower case → dimension, of the headers that a rule looks at. */
  get names(): ReadonlyMap<string, number> {
    return this.headers
  }

  /** Name → dimension, of the query parameters that a route looks at. */
  get queries(): ReadonlyMap<string, number> {
    return this.parameters
  }

  /** Throws Failure('limit-exceeded' | 'expression-invalid'). */
  remainder(match: HttpMatch): Remainder {
    const demands: [number, Demand][] = []
    const pattern = (dim: number, text: string | undefined): void => {
      if (text === undefined) return
      const dimension = this.list[dim] as Dimension
      demands.push([dim, dimension.value(`/${text}`, () => parsed(text, match.source))])
    }
    pattern(DIM_METHOD, match.method)
    pattern(DIM_HOST, match.host)
    for (const { name, value } of match.headers) {
      const dim = this.named(this.headers, name.toLowerCase(), match.source)
      const dimension = this.list[dim] as Dimension
      demands.push([
        dim,
        value === undefined ? dimension.present() : dimension.value(`=${value}`, () => literal(value)),
      ])
    }
    return { demands: demands.sort(([a, x], [b, y]) => a - b || x - y) }
  }

  /** What a route asks besides the path. Throws Failure('limit-exceeded' | 'expression-invalid'). */
  ofRoute({ method, headers, query, source }: RouteMatch): Remainder {
    const demand = (dim: number, kind: NamedMatch['kind'], value: string): [number, Demand] => {
      const dimension = this.list[dim] as Dimension
      return kind === 'exact'
        ? [dim, dimension.value(`=${value}`, () => literal(value))]
        : [dim, dimension.value(`/${value}`, () => parsed(value, source))]
    }
    const demands = [
      ...(method === undefined ? [] : [demand(DIM_METHOD, 'exact', method)]),
      ...headers.map(({ name, kind, value }) => demand(this.named(this.headers, name, source), kind, value)),
      ...query.map(({ name, kind, value }) => demand(this.named(this.parameters, name, source), kind, value)),
    ]
    return { demands: demands.sort(([a, x], [b, y]) => a - b || x - y) }
  }

  /** Automata of all dimensions, in order. */
  classes(): ValueClasses[] {
    const inTarget = new Set([DIM_METHOD, ...this.parameters.values()])
    return this.list.map((dimension, dim) => dimension.classes(inTarget.has(dim) ? TEXT : VALUE))
  }

  private named(names: Map<string, number>, name: string, source: Source): number {
    const known = names.get(name)
    if (known !== undefined) return known
    if (this.list.length === MAX_DIMS) {
      const what = names === this.headers ? 'header' : 'query parameter'
      throw new Failure(
        'limit-exceeded',
        `${at(source)}: ${what} ${name}: rules and routes may look at ${MAX_DIMS - 2} different ` +
          'headers and query parameters besides Host',
      )
    }
    names.set(name, this.list.length)
    return this.list.push(new Dimension(name)) - 1
  }
}

/** The tree of a pattern. Throws Failure('expression-invalid'), located. */
export function parsed(pattern: string, source: Source): RegexNode {
  const result = parseRegex(pattern)
  if (result.ok) return result.node
  throw new Failure(
    'expression-invalid',
    `${at(source)}: ${result.reason} (at character ${result.offset + 1})`,
  )
}

/** Exactly these characters, as UTF-8. */
export function literal(text: string): RegexNode {
  return { kind: 'sequence', parts: [...utf8(text)].map((byte) => setNode(single(byte))) }
}
