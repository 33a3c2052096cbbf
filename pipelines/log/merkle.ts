/**
 * Merkle trees of a transparency log, as whoever checks one needs them. Pure: SHA-256 is passed in.
 *
 * A subtree is the leaves [start, end) where start is a multiple of the smallest power of two that
 * is not below end - start; it is a node of the tree or of an earlier, smaller one. So one recursion checks
 * everything: a leaf is a subtree of one, an earlier tree is one that begins at 0.
 * Source: RFC 6962 2.1, RFC 9162 2.1; subtrees: draft-ietf-plants-merkle-tree-certs, "Subtrees".
 */

import { sameBytes } from '../bytes.ts'

export const HASH_BYTES = 32
/** Hashes of one proof: a tree of 2^53 leaves, above which numbers are not exact, needs no more. */
export const MAX_PROOF = 53

export type Sha256 = (bytes: Uint8Array) => Uint8Array
export type Proof = readonly Uint8Array[]
/** Leaves [start, end), and what their root is said to be. */
export type Subtree = { start: number; end: number; root: Uint8Array }
export type Tree = { size: number; root: Uint8Array }

const LEAF = 0
const NODE = 1

export function leafHash(sha256: Sha256, entry: Uint8Array): Uint8Array {
  return sha256(joined(LEAF, entry, new Uint8Array()))
}

export function nodeHash(sha256: Sha256, left: Uint8Array, right: Uint8Array): Uint8Array {
  return sha256(joined(NODE, left, right))
}

/** Where a tree of `size` > 1 leaves is parted: the largest power of two below it. */
export function splitAt(size: number): number {
  let left = 1
  while (left * 2 < size) left *= 2
  return left
}

/** Is the leaf at `index` in the tree? */
export function provesInclusion(
  sha256: Sha256,
  leaf: { index: number; hash: Uint8Array },
  tree: Tree,
  proof: Proof,
): boolean {
  const { index, hash } = leaf
  if (hash.length !== HASH_BYTES) return false
  return provesSubtree(sha256, { start: index, end: index + 1, root: hash }, tree, proof)
}

/** Is the earlier tree, which must not be empty, where the later one begins? */
export function provesConsistency(sha256: Sha256, earlier: Tree, later: Tree, proof: Proof): boolean {
  if (earlier.size < 1) return false
  return provesSubtree(sha256, { start: 0, end: earlier.size, root: earlier.root }, later, proof)
}

/** Are these the leaves of the tree from `start` to `end`? An empty subtree is in every tree. */
export function provesSubtree(sha256: Sha256, subtree: Subtree, tree: Tree, proof: Proof): boolean {
  const { start, end, root } = subtree
  if (!isSubtree(start, end) || !Number.isSafeInteger(tree.size) || end > tree.size) return false
  if (start === end) return proof.length === 0 && sameBytes(root, sha256(new Uint8Array()))
  if (proof.length > MAX_PROOF || proof.some((hash) => hash.length !== HASH_BYTES)) return false
  const rest = [...proof]
  const roots = rebuilt({ sha256, root, rest }, { start, end, size: tree.size }, true)
  return (
    roots !== undefined &&
    rest.length === 0 &&
    sameBytes(roots.part, root) &&
    sameBytes(roots.whole, tree.root)
  )
}

export function isSubtree(start: number, end: number): boolean {
  if (!Number.isSafeInteger(start) || !Number.isSafeInteger(end) || start < 0 || end < start) return false
  let width = 1
  while (width < end - start) width *= 2
  return start % width === 0
}

type Given = { sha256: Sha256; root: Uint8Array; rest: Uint8Array[] }
type Range = { start: number; end: number; size: number }

/**
 * The roots of the subtree and of the tree of `size` leaves that has it, by a proof that is used from its
 * end on: that is the hash nearest to the tree's root. `known`: the subtree's own root is one of the hashes.
 */
function rebuilt(
  given: Given,
  { start, end, size }: Range,
  known: boolean,
): { part: Uint8Array; whole: Uint8Array } | undefined {
  const { sha256, rest } = given
  if (start === 0 && end === size) {
    const hash = known ? given.root : rest.pop()
    return hash && { part: hash, whole: hash }
  }
  const beside = rest.pop()
  if (!beside) return undefined
  const left = splitAt(size)
  if (end <= left) {
    const roots = rebuilt(given, { start, end, size: left }, known)
    return roots && { part: roots.part, whole: nodeHash(sha256, roots.whole, beside) }
  }
  const right = { end: end - left, size: size - left }
  if (start >= left) {
    const roots = rebuilt(given, { ...right, start: start - left }, known)
    return roots && { part: roots.part, whole: nodeHash(sha256, beside, roots.whole) }
  }
  // It begins at 0, and ends in the right half, of which its own root has only a part.
  const roots = rebuilt(given, { ...right, start: 0 }, false)
  return roots && { part: nodeHash(sha256, beside, roots.part), whole: nodeHash(sha256, beside, roots.whole) }
}

function joined(first: number, left: Uint8Array, right: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(1 + left.length + right.length)
  bytes[0] = first
  bytes.set(left, 1)
  bytes.set(right, 1 + left.length)
  return bytes
}
