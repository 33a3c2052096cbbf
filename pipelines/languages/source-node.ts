/** What a text format gives to a front-end: a plain tree that knows where it stands in its file. */
import type { Source } from '../policy/source.ts'

export type SourceNode =
  | { kind: 'map'; at: Source; entries: SourceEntry[] }
  | { kind: 'list'; at: Source; items: SourceNode[] }
  | { kind: 'scalar'; at: Source; value: string | number | boolean | null }

export type SourceEntry = { key: string; keyAt: Source; value: SourceNode }

/** Keys and indexes from a document's root to a part of it. */
export type Path = readonly PropertyKey[]

/** The value without places, as a schema reads it. */
export function plainValue(node: SourceNode): unknown {
  switch (node.kind) {
    case 'scalar':
      return node.value
    case 'list':
      return node.items.map(plainValue)
    case 'map':
      return Object.fromEntries(node.entries.map(({ key, value }) => [key, plainValue(value)]))
  }
}

function child(node: SourceNode, step: PropertyKey): SourceNode | undefined {
  if (node.kind === 'list' && typeof step === 'number') return node.items[step]
  if (node.kind === 'map') return node.entries.find((entry) => entry.key === step)?.value
  return undefined
}

/** The node at a path, or the deepest one on the way there. */
export function nodeAt(root: SourceNode, path: Path): SourceNode {
  let node = root
  for (const step of path) {
    const next = child(node, step)
    if (next === undefined) return node
    node = next
  }
  return node
}

/** Where a part stands: its key when it has one, else itself, else what it is missing from. */
export function placeOf(root: SourceNode, path: Path): Source {
  const parent = nodeAt(root, path.slice(0, -1))
  const last = path.at(-1)
  if (parent.kind === 'map') {
    const entry = parent.entries.find(({ key }) => key === last)
    if (entry !== undefined) return entry.keyAt
  }
  return nodeAt(root, path).at
}
