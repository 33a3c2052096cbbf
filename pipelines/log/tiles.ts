/**
 * A log's tree as static objects: tiles of 256 hashes, and bundles of as many entries. Names and contents alone;
 * functions/log reads and writes them. Source: https://c2sp.org/tlog-tiles
 */

/** Hashes of a whole tile, or entries of a whole bundle. */
export const TILE_WIDTH = 256
/** Levels of the tree that a tile spans. */
export const TILE_HEIGHT = 8
/** Bytes of an entry: its length is a uint16. */
export const MAX_ENTRY_BYTES = 65_535

/** `level` of tiles, not of the tree. `width` < 256: partial, as it is at one size of the tree. */
export type Tile = { level: number | 'entries'; index: number; width: number }

/** `tile/0/x001/x234/067.p/12` */
export function tilePath({ level, index, width }: Tile): string {
  const groups: string[] = []
  for (let rest = index; rest > 0 || groups.length === 0; rest = Math.floor(rest / 1_000))
    groups.unshift(String(rest % 1_000).padStart(3, '0'))
  const named = groups.map((group, at) => (at < groups.length - 1 ? `x${group}` : group))
  return `tile/${level}/${named.join('/')}${width < TILE_WIDTH ? `.p/${width}` : ''}`
}

/** Hashes on a level of tiles of a tree of `size` leaves. */
export function hashesAt(level: number, size: number): number {
  return Math.floor(size / TILE_WIDTH ** level)
}

/** The tile of that level that has the hash at `index`, as it is in a tree of `size` leaves. */
export function tileAt(level: number | 'entries', index: number, size: number): Tile {
  const tile = Math.floor(index / TILE_WIDTH)
  const all = hashesAt(level === 'entries' ? 0 : level, size)
  return { level, index: tile, width: Math.min(TILE_WIDTH, all - tile * TILE_WIDTH) }
}

/** Each entry behind its length as a big-endian uint16. */
export function formatBundle(entries: readonly Uint8Array[]): Uint8Array {
  const bundle = new Uint8Array(entries.reduce((sum, { length }) => sum + 2 + length, 0))
  let at = 0
  for (const entry of entries) {
    bundle[at] = entry.length >> 8
    bundle[at + 1] = entry.length & 255
    bundle.set(entry, at + 2)
    at += 2 + entry.length
  }
  return bundle
}

/** Undefined = not exactly `count` entries. */
export function parseBundle(bundle: Uint8Array, count: number): Uint8Array[] | undefined {
  const entries: Uint8Array[] = []
  let at = 0
  while (at + 2 <= bundle.length && entries.length < count) {
    const end = at + 2 + ((bundle[at] as number) << 8) + (bundle[at + 1] as number)
    if (end > bundle.length) return undefined
    entries.push(bundle.slice(at + 2, end))
    at = end
  }
  return at === bundle.length && entries.length === count ? entries : undefined
}
