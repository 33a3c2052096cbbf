/**
 * What a rule asks of a request besides its path, as value classes: all values of
 * a dimension that no rule tells apart are one class, so a verdict compares numbers.
 */
import type { ByteSet } from '../automata/byte-set.ts'
import { type Dfa, nextState } from '../automata/dfa.ts'
import { determinize } from '../automata/determinize.ts'
import type { GroupedPattern } from '../automata/nfa.ts'
import type { RegexNode } from '../automata/regex-node.ts'
import { Failure } from '../contract/failures.ts'
import type { HttpMatch } from '../policy/model.ts'
import type { NamedMatch, RouteMatch } from '../policy/route.ts'
import type { Source } from '../policy/source.ts'
import { at } from './blocks.ts'
import type { Literal, Term } from './condition-terms.ts'
import { CLASS_FIRST, DIM_HOST, DIM_METHOD, MAX_DIMS, MAX_KEY_HEADERS } from './layout.ts'
import { literal, parsed, TEXT, VALUE } from './texts.ts'

/** Classes are 16-bit numbers in the kernel. */
const MAX_CLASSES = 65_535

/** A demand on one dimension; equal demands are one number. `~demand` = that it does not hold. */
export type Demand = number

/** Between the values of a name that comes more than once (RFC 9110 5.3). */
const COMMA = 0x2c

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

  /** That the value matches; `node` is asked for only once for equal keys. `text`: what people are told of it. */
  value(key: string, text: string, node: () => RegexNode): Demand {
    return this.numbers.get(key) ?? this.demand(key, { text, node: node() })
  }

  private demand(key: string, demand: DemandKey): Demand {
    const known = this.numbers.get(key) ?? this.demands.push(demand) - 1
    this.numbers.set(key, known)
    return known
  }

  /**
   * The automaton of values, and which classes satisfy each demand. Values that the same demands
   * hold for are two classes where more could follow them behind a comma. Throws AutomatonLimit.
   */
  classes(alphabet: ByteSet): ValueClasses {
    const patterns: GroupedPattern[] = this.demands.flatMap((demand, group) =>
      demand === 'present' ? [] : [{ node: demand.node, group, text: demand.text }],
    )
    const dfa = determinize(patterns, { alphabet, latches: 'none' })
    const kinds = new Map<string, number>()
    const resumes: number[] = Array(CLASS_FIRST).fill(0)
    const sets: number[] = Array(CLASS_FIRST).fill(0)
    const classOf = Array.from({ length: dfa.states }, (_, state) => {
      const set = dfa.finals[state] as number
      const after = state === 0 ? 0 : nextState(dfa, state, dfa.classes[COMMA] as number)
      if (set === 0 && after === 0) return 0
      const key = `${set} ${after}`
      const known = kinds.get(key) ?? sets.push(set) - 1
      if (!kinds.has(key)) resumes.push(after)
      kinds.set(key, known)
      return known
    })
    if (sets.length > MAX_CLASSES) {
      throw new Failure('limit-exceeded', `${this.name}: more than ${MAX_CLASSES} kinds of values`)
    }
    const satisfied = this.demands.map((_, demand) =>
      sets.flatMap((set, value) => (dfa.groupSets[set]?.includes(demand) ? [value] : [])),
    )
    return {
      dfa,
      count: sets.length,
      final: (state) => classOf[state] as number,
      resumes,
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
  /** By class: the state behind the comma that a second value of the same name puts there; 0 = none. */
  readonly resumes: readonly number[]
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
  private readonly keys = new Map<string, number>()

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

  /** Name in lower case → number, of the headers that limits are keyed by. */
  get keyNumbers(): ReadonlyMap<string, number> {
    return this.keys
  }

  /** The number of a header as a key; it has a dimension as well. Throws Failure('limit-exceeded'). */
  key(name: string, source: Source): number {
    this.named(this.headers, name, source)
    const number = this.keys.get(name) ?? this.keys.size + 1
    if (number > MAX_KEY_HEADERS) {
      throw new Failure(
        'limit-exceeded',
        `${at(source)}: header ${name}: limits may be keyed by ${MAX_KEY_HEADERS} different headers`,
      )
    }
    this.keys.set(name, number)
    return number
  }

  /** `term`: what one alternative of its condition asks besides. Throws Failure('limit-exceeded' | 'expression-invalid'). */
  remainder(match: HttpMatch, term: Term): Remainder {
    const demands: [number, Demand][] = term.flatMap((literal) => this.ofLiteral(literal, match.source))
    const pattern = (dim: number, text: string | undefined): void => {
      if (text === undefined) return
      const dimension = this.list[dim] as Dimension
      const shown = `${at(match.source)}: ${dimension.name} ${text}`
      demands.push([dim, dimension.value(`/${text}`, shown, () => parsed(text, match.source))])
    }
    pattern(DIM_METHOD, match.method)
    pattern(DIM_HOST, match.host)
    for (const { name, value } of match.headers) {
      const dim = this.named(this.headers, name.toLowerCase(), match.source)
      const dimension = this.list[dim] as Dimension
      const shown = `${at(match.source)}: header ${name} ${value}`
      demands.push([
        dim,
        value === undefined ? dimension.present() : dimension.value(`=${value}`, shown, () => literal(value)),
      ])
    }
    return { demands: demands.sort(([a, x], [b, y]) => a - b || x - y) }
  }

  private ofLiteral({ on, text, shown, node, negated }: Literal, source: Source): [number, Demand][] {
    if (on === 'target') return []
    const dim = on === 'method' ? DIM_METHOD : this.named(this.headers, on.header, source)
    const dimension = this.list[dim] as Dimension
    const demand =
      node === null ? dimension.present() : dimension.value(`?${text}`, `${at(source)}: ${shown}`, node)
    return [[dim, negated ? ~demand : demand]]
  }

  /** What a route asks besides the path. Throws Failure('limit-exceeded' | 'expression-invalid'). */
  ofRoute({ method, headers, query, source }: RouteMatch): Remainder {
    const demand = (dim: number, kind: NamedMatch['kind'], value: string): [number, Demand] => {
      const dimension = this.list[dim] as Dimension
      const shown = `${at(source)}: ${dimension.name} ${value}`
      return kind === 'exact'
        ? [dim, dimension.value(`=${value}`, shown, () => literal(value))]
        : [dim, dimension.value(`/${value}`, shown, () => parsed(value, source))]
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
