/** Interned sets of NFA nodes: a set is a state, its number is given on first sight. */
import { GrowingInts } from './growing.ts'

export class StateSets {
  /** Elements of all sets together: what memory is spent on. */
  elements = 0
  readonly sets: Int32Array[] = []
  /** What the byte before means for assertions that wait in the set; 0 = none waits. */
  readonly contexts = new GrowingInts()
  private readonly hashes = new GrowingInts()
  private table = new Int32Array(1 << 12).fill(-1)

  /** `set` ascending and without duplicates; it is kept. */
  intern(set: Int32Array, context: number): number {
    let hash = Math.imul(context + 1, 0x9e3779b1)
    for (let i = 0; i < set.length; i++) {
      hash = Math.imul(hash ^ (set[i] as number), 0x85ebca6b)
      hash ^= hash >>> 15
    }
    const mask = this.table.length - 1
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const state = this.table[slot] as number
      if (state < 0) {
        this.table[slot] = this.sets.length
        return this.create(set, context, hash)
      }
      if (
        this.hashes.at(state) === hash &&
        this.contexts.at(state) === context &&
        same(this.sets[state], set)
      ) {
        return state
      }
    }
  }

  private create(set: Int32Array, context: number, hash: number): number {
    this.elements += set.length
    this.hashes.push(hash)
    this.contexts.push(context)
    const state = this.sets.push(set) - 1
    if (this.sets.length * 2 > this.table.length) this.grow()
    return state
  }

  private grow(): void {
    const mask = this.table.length * 2 - 1
    this.table = new Int32Array(mask + 1).fill(-1)
    for (let state = 0; state < this.sets.length; state++) {
      let slot = this.hashes.at(state) & mask
      while ((this.table[slot] as number) >= 0) slot = (slot + 1) & mask
      this.table[slot] = state
    }
  }
}

function same(a: Int32Array | undefined, b: Int32Array): boolean {
  if (a?.length !== b.length) return false
  for (let i = 0; i < b.length; i++) if (a[i] !== b[i]) return false
  return true
}
