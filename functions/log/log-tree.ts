/** A log's tree at one size, out of its tiles: hashes of whole subtrees are read, all others follow from them. */
import { HASH_BYTES, nodeHash, type Sha256, splitAt } from '../../pipelines/log/merkle.ts'
import { TILE_HEIGHT, TILE_WIDTH, type Tile, tileAt, tilePath } from '../../pipelines/log/tiles.ts'

/** The hashes of a tile, one after the other. */
export type ReadTile = (tile: Tile) => Promise<Uint8Array>
type Range = { start: number; end: number }

export class LogTree {
  readonly size: number
  private readonly sha256: Sha256
  private readonly readTile: ReadTile
  private readonly tiles = new Map<string, Promise<Uint8Array>>()

  constructor(size: number, sha256: Sha256, readTile: ReadTile) {
    this.size = size
    this.sha256 = sha256
    this.readTile = readTile
  }

  /** Of the tree as it was at a size: its own, if none is said. */
  async root(size = this.size): Promise<Uint8Array> {
    return size === 0 ? this.sha256(new Uint8Array()) : this.hash({ start: 0, end: size })
  }

  /** From the leaf's sibling to the root's child (RFC 6962 2.1.1). */
  inclusion(index: number): Promise<Uint8Array[]> {
    return this.beside({ start: index, end: index + 1 }, { start: 0, end: this.size })
  }

  /** Hashes that stand beside a whole subtree on its way up to the range's root. */
  private async beside(part: Range, { start, end }: Range): Promise<Uint8Array[]> {
    if (part.start === start && part.end === end) return []
    const middle = start + splitAt(end - start)
    const left = { start, end: middle }
    const right = { start: middle, end }
    const [within, other] = part.end <= middle ? [left, right] : [right, left]
    return [...(await this.beside(part, within)), await this.hash(other)]
  }

  /** RFC 6962's MTH of these leaves. */
  private async hash({ start, end }: Range): Promise<Uint8Array> {
    const width = end - start
    if (isPowerOfTwo(width)) return this.whole(start, width)
    const middle = start + splitAt(width)
    const left = await this.hash({ start, end: middle })
    return nodeHash(this.sha256, left, await this.hash({ start: middle, end }))
  }

  /** A node of the tree: `width` is a power of two, and divides `start`. */
  private async whole(start: number, width: number): Promise<Uint8Array> {
    const level = Math.floor(Math.log2(width) / TILE_HEIGHT)
    const leaves = TILE_WIDTH ** level
    const first = start / leaves
    const tile = tileAt(level, first, this.size)
    const bytes = await this.tile(tile)
    const from = (first - tile.index * TILE_WIDTH) * HASH_BYTES
    return folded(this.sha256, bytes.subarray(from, from + (width / leaves) * HASH_BYTES))
  }

  private tile(tile: Tile): Promise<Uint8Array> {
    const path = tilePath(tile)
    const known = this.tiles.get(path) ?? this.readTile(tile)
    this.tiles.set(path, known)
    return known
  }
}

/** The root above hashes that stand one after the other, as many as a power of two. */
export function folded(sha256: Sha256, hashes: Uint8Array): Uint8Array {
  let level = Array.from({ length: hashes.length / HASH_BYTES }, (_, at) =>
    hashes.subarray(at * HASH_BYTES, (at + 1) * HASH_BYTES),
  )
  while (level.length > 1) {
    const below = level
    level = Array.from({ length: below.length / 2 }, (_, at) =>
      nodeHash(sha256, below[2 * at] as Uint8Array, below[2 * at + 1] as Uint8Array),
    )
  }
  return level[0] as Uint8Array
}

/** Also above 2^31, where bitwise operators see another number. */
function isPowerOfTwo(width: number): boolean {
  return Number.isInteger(Math.log2(width)) && 2 ** Math.log2(width) === width
}
