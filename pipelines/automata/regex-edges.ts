/**
 * A pattern that is to stand inside a larger one: assertions about the edges of its own text are
 * worked out, so that `^/a$` means the same in front of a query. What is left of `\b` asks for the
 * bytes beside it, which have to be no word's. Lines have no newline in them here, so (?m) adds nothing.
 */
import { NO_BYTES } from './byte-set.ts'
import { type Assertion, EMPTY, type RegexNode, setNode } from './regex-node.ts'

type Edge = 'start' | 'end'

/**
 * What a node matches as seen from an edge. `free`: where no assertion of that edge was met.
 * `bound`: where one was, so that nothing may lie between there and the edge. `null` = nothing.
 */
type Parts = { readonly free: RegexNode | null; readonly bound: RegexNode | null }

const ASSERTIONS: Record<Edge, readonly Assertion[]> = {
  start: ['text-start', 'line-start'],
  end: ['text-end', 'line-end'],
}
const NOTHING = setNode(NO_BYTES)

function either(nodes: readonly (RegexNode | null)[]): RegexNode | null {
  const options = nodes.filter((node) => node !== null)
  const [only] = options
  return options.length > 1 ? { kind: 'choice', options } : (only ?? null)
}

/** Nearer to the edge stands `outer`. */
function beside(inner: RegexNode | null, outer: RegexNode | null, edge: Edge): RegexNode | null {
  if (inner === null || outer === null) return null
  return { kind: 'sequence', parts: edge === 'end' ? [inner, outer] : [outer, inner] }
}

function some(node: RegexNode | null, min: number, max: number | null): RegexNode | null {
  if (max === 0) return EMPTY
  if (node === null) return min === 0 ? EMPTY : null
  return { kind: 'repeat', node, min, max }
}

/** May it match nothing at all, where the edge is? Assertions of the other edge and `\b` may hold there. */
function vanishes(node: RegexNode, edge: Edge): RegexNode | null {
  switch (node.kind) {
    case 'set':
      return null
    case 'assert':
      return ASSERTIONS[edge].includes(node.at) ? EMPTY : node
    case 'sequence': {
      const parts = node.parts.map((part) => vanishes(part, edge))
      return parts.includes(null) ? null : { kind: 'sequence', parts: parts as RegexNode[] }
    }
    case 'choice':
      return either(node.options.map((option) => vanishes(option, edge)))
    case 'repeat':
      return node.min === 0 ? EMPTY : vanishes(node.node, edge)
  }
}

function partsOf(node: RegexNode, edge: Edge): Parts {
  switch (node.kind) {
    case 'set':
      return { free: node, bound: null }
    case 'assert':
      return ASSERTIONS[edge].includes(node.at) ? { free: null, bound: EMPTY } : { free: node, bound: null }
    case 'choice': {
      const options = node.options.map((option) => partsOf(option, edge))
      return {
        free: either(options.map(({ free }) => free)),
        bound: either(options.map(({ bound }) => bound)),
      }
    }
    case 'sequence':
      return sequenceParts(edge === 'end' ? node.parts : node.parts.toReversed(), edge)
    case 'repeat':
      return repeatParts(node, edge)
  }
}

/** `parts`: the nearest to the edge is last. */
function sequenceParts(parts: readonly RegexNode[], edge: Edge): Parts {
  let so: Parts = { free: EMPTY, bound: null }
  for (const part of parts) {
    const next = partsOf(part, edge)
    so = {
      free: beside(so.free, next.free, edge),
      // Behind an assertion that was met, the rest has to match nothing.
      bound: either([beside(so.free, next.bound, edge), beside(so.bound, vanishes(part, edge), edge)]),
    }
  }
  return so
}

function repeatParts({ node, min, max }: Extract<RegexNode, { kind: 'repeat' }>, edge: Edge): Parts {
  const { free, bound } = partsOf(node, edge)
  const nothing = vanishes(node, edge)
  const most = max === null ? null : max - 1
  // The turn that meets the assertion is the last one that takes bytes; those behind it match nothing.
  const last = most === -1 ? null : beside(some(free, Math.max(min - 1, 0), most), bound, edge)
  const early = min < 2 || nothing === null || most === -1 ? null : beside(some(free, 0, most), bound, edge)
  return { free: some(free, min, max), bound: either([last, beside(early, nothing, edge)]) }
}

/** The same language, full match, without assertions about the edges of the text. */
export function withoutEdges(node: RegexNode): RegexNode {
  let result = node
  for (const edge of ['start', 'end'] as const) {
    const { free, bound } = partsOf(result, edge)
    result = either([free, bound]) ?? NOTHING
  }
  return result
}
