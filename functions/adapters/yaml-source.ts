/**
 * YAML text → located plain trees, bounded: size, documents, depth and nodes
 * (aliases counted as often as they are used). What YAML readers disagree about
 * is refused: duplicate keys, keys that are no strings, custom tags.
 */
import {
  Composer,
  type CST,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type ParsedNode,
  Parser,
} from 'yaml'
import type { FailureCode } from '../../pipelines/contract/failures.ts'
import { type Finding, problem } from '../../pipelines/languages/finding.ts'
import type { SourceEntry, SourceNode } from '../../pipelines/languages/source-node.ts'
import type { Source } from '../../pipelines/policy/source.ts'

/** Bytes of a file: the limit of an object in Kubernetes' store is of this order. */
const MAX_BYTES = 1_048_576
/** Documents of a file. */
const MAX_DOCUMENTS = 1_000
/** Maps and lists inside each other; a policy has 12. */
const MAX_DEPTH = 32
/** Values of a file, aliases unfolded: a billion laughs stop here. */
const MAX_NODES = 200_000

/** Not for others: becomes a finding at the door. */
class Refusal extends Error {
  readonly finding: Finding
  constructor(finding: Finding) {
    super(finding.message)
    this.finding = finding
  }
}

type Context = { file: string; lines: LineCounter; nodes: number; resolve: (node: Node) => Node | undefined }

function place({ file, lines }: Context, offset: number): Source {
  const { line, col } = lines.linePos(offset)
  return { file, line: Math.max(1, line), column: Math.max(1, col) }
}

const offsetOf = (node: unknown): number => (node as ParsedNode | null)?.range?.[0] ?? 0

function refuse(context: Context, node: unknown, code: FailureCode, message: string, hint: string): never {
  throw new Refusal(problem(place(context, offsetOf(node)), code, message, hint))
}

function entryOf(context: Context, pair: { key: unknown; value: unknown }, depth: number): SourceEntry {
  const { key, value } = pair
  if (!isScalar(key) || typeof key.value !== 'string') {
    return refuse(context, key, 'yaml-syntax', 'a key that is no string', 'write the key in quotes')
  }
  // Readers behind this one (zod's records among them) drop such a key: a label that is asked for would be lost.
  if (key.value === '__proto__') return refuse(context, key, 'yaml-syntax', 'the key __proto__', 'remove it')
  const keyAt = place(context, offsetOf(key))
  const node =
    value === null ? { kind: 'scalar' as const, at: keyAt, value: null } : nodeOf(context, value, depth)
  return { key: key.value, keyAt, value: node }
}

function scalarOf(context: Context, node: Node): SourceNode {
  const value = (node as { value?: unknown }).value
  if (
    value === null ||
    typeof value === 'string' ||
    typeof value === 'boolean' ||
    typeof value === 'number'
  ) {
    return { kind: 'scalar', at: place(context, offsetOf(node)), value }
  }
  return refuse(context, node, 'yaml-syntax', 'a value of no plain type', 'write it in quotes')
}

function nodeOf(context: Context, value: unknown, depth: number): SourceNode {
  const node = value as Node
  context.nodes += 1
  if (depth > MAX_DEPTH)
    return refuse(context, node, 'yaml-limit', `deeper than ${MAX_DEPTH} levels`, 'flatten it')
  if (context.nodes > MAX_NODES) {
    return refuse(
      context,
      node,
      'yaml-limit',
      `more than ${MAX_NODES} values`,
      'split the file, use fewer aliases',
    )
  }
  if (isAlias(node)) {
    const target = context.resolve(node)
    if (target !== undefined) return nodeOf(context, target, depth + 1)
    return refuse(context, node, 'yaml-syntax', 'an alias without anchor', 'write the value itself')
  }
  const at = place(context, offsetOf(node))
  if (isMap(node))
    return { kind: 'map', at, entries: node.items.map((pair) => entryOf(context, pair, depth + 1)) }
  if (isSeq(node))
    return { kind: 'list', at, items: node.items.map((item) => nodeOf(context, item, depth + 1)) }
  return scalarOf(context, node)
}

/** Tokens directly inside a token: items of a collection, a document's value. */
function inside(token: CST.Token): CST.Token[] {
  const children: (CST.Token | null | undefined)[] = []
  if (token.type === 'document') children.push(token.value)
  if ('items' in token) for (const { key, value } of token.items) children.push(key, value)
  return children.filter((child) => child !== null && child !== undefined)
}

/**
 * Depth is bounded on the flat work list of tokens, before anything recurses: a
 * file of brackets would otherwise exhaust the stack, which V8 does not always survive.
 */
function checkDepth(context: Context, tokens: CST.Token[]): void {
  let level = tokens
  for (let depth = 0; level.length > 0; depth++) {
    // One level is the document itself.
    if (depth > MAX_DEPTH + 1) {
      const offset = (level[0] as CST.Token).offset
      const hint = 'flatten it'
      throw new Refusal(
        problem(place(context, offset), 'yaml-limit', `deeper than ${MAX_DEPTH} levels`, hint),
      )
    }
    level = level.flatMap(inside)
  }
}

function parse(file: string, text: string): SourceNode[] {
  const lines = new LineCounter()
  const context: Context = { file, lines, nodes: 0, resolve: () => undefined }
  if (Buffer.byteLength(text) > MAX_BYTES) {
    return refuse(context, null, 'yaml-limit', `longer than ${MAX_BYTES} bytes`, 'split the file')
  }
  const tokens = [...new Parser(lines.addNewLine).parse(text)]
  checkDepth(context, tokens)
  const documents = [...new Composer({ version: '1.2', uniqueKeys: true }).compose(tokens)]
  if (documents.length > MAX_DOCUMENTS) {
    return refuse(context, null, 'yaml-limit', `more than ${MAX_DOCUMENTS} documents`, 'split the file')
  }
  return documents.flatMap((document) => {
    const wrong = document.errors[0] ?? document.warnings[0]
    if (wrong !== undefined) {
      throw new Refusal(
        problem(place(context, wrong.pos[0]), 'yaml-syntax', wrong.message, 'correct the YAML'),
      )
    }
    context.resolve = (node) => (isAlias(node) ? node.resolve(document) : undefined)
    const { contents } = document
    return contents === null || (isScalar(contents) && contents.value === null)
      ? []
      : [nodeOf(context, contents, 1)]
  })
}

/** Documents of a YAML text, empty ones left out; or the first thing that is wrong with it. */
export function readYaml(file: string, text: string): { documents: SourceNode[] } | { finding: Finding } {
  try {
    return { documents: parse(file, text) }
  } catch (error) {
    if (error instanceof Refusal) return { finding: error.finding }
    throw error
  }
}
