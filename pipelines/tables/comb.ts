/**
 * First-fit placement of sparse rows in one array of pairs (row displacement, as in
 * the dragon book's tables): a row sits at an index where all its entries are free.
 */
/** Places that are tried before the search gives up the gaps behind it. */
const WINDOW = 64
const FIRST_SIZE = 4096

export class Comb {
  /** Pairs: [2i] owner or header, [2i + 1] value. */
  private words = new Uint32Array(FIRST_SIZE * 2)
  private used = new Uint8Array(FIRST_SIZE)
  private from: number
  /** One past the last entry in use. */
  end: number

  /** Entries below `first` stay empty. */
  constructor(first: number) {
    this.from = first
    this.end = first
  }

  /**
   * Reserve entries index..index + header - 1 and index + header + offset for each
   * offset; `fits` may refuse an index. Returns the index.
   */
  place(header: number, offsets: readonly number[], fits: (index: number) => boolean = () => true): number {
    while (this.used[this.from] === 1) this.from++
    let index = this.from
    for (let tries = 0; !this.free(index, header, offsets) || !fits(index); tries++) {
      if (tries === WINDOW) this.from = index - WINDOW / 2
      index++
    }
    const last = index + header + Math.max(-1, ...offsets)
    this.reserve(last + 1)
    for (let i = 0; i < header; i++) this.used[index + i] = 1
    for (const offset of offsets) this.used[index + header + offset] = 1
    this.end = Math.max(this.end, last + 1)
    return index
  }

  set(index: number, first: number, second: number): void {
    this.words[index * 2] = first
    this.words[index * 2 + 1] = second
  }

  /** Words of entries first..end - 1, zero where nothing was placed. */
  copy(first: number, end: number): Uint32Array {
    const words = new Uint32Array((end - first) * 2)
    words.set(this.words.subarray(first * 2, Math.min(end * 2, this.words.length)))
    return words
  }

  private free(index: number, header: number, offsets: readonly number[]): boolean {
    for (let i = 0; i < header; i++) if (this.used[index + i] === 1) return false
    for (const offset of offsets) if (this.used[index + header + offset] === 1) return false
    return true
  }

  private reserve(entries: number): void {
    if (entries < this.used.length) return
    const size = Math.max(entries + 1, this.used.length * 2)
    const used = new Uint8Array(size)
    used.set(this.used)
    this.used = used
    const words = new Uint32Array(size * 2)
    words.set(this.words)
    this.words = words
  }
}
