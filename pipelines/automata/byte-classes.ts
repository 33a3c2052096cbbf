/** Bytes that no pattern tells apart are one class: rows are as wide as there are classes. */
import { type ByteSet, complement, membership } from './byte-set.ts'

export type ByteClasses = {
  /** byte -> class */
  readonly of: Uint8Array
  readonly count: number
  /** set number -> its classes, inside the alphabet only */
  readonly members: readonly Int32Array[]
}

/**
 * The coarsest partition in which each set is a union of classes. Sets outside
 * the alphabet are cut to it, so such bytes lead nowhere from any state.
 */
export function byteClasses(sets: readonly ByteSet[], alphabet: ByteSet): ByteClasses {
  const of = new Uint8Array(256)
  let count = 1
  for (const set of [complement(alphabet), ...sets.map((each) => each & alphabet)]) {
    const inside = membership(set)
    const split = new Map<number, number>()
    const sizes = new Int32Array(256)
    const taken = new Int32Array(256)
    for (let byte = 0; byte < 256; byte++) {
      const byteClass = of[byte] as number
      sizes[byteClass] = (sizes[byteClass] as number) + 1
      taken[byteClass] = (taken[byteClass] as number) + (inside[byte] as number)
    }
    for (let byte = 0; byte < 256; byte++) {
      const old = of[byte] ?? 0
      if (inside[byte] !== 1 || taken[old] === sizes[old]) continue
      const fresh = split.get(old) ?? count++
      split.set(old, fresh)
      of[byte] = fresh
    }
  }
  const members = sets.map((set) => {
    const inside = membership(set & alphabet)
    const classes = new Set<number>()
    for (let byte = 0; byte < 256; byte++) if (inside[byte] === 1) classes.add(of[byte] ?? 0)
    return Int32Array.from(classes)
  })
  return { of, count, members }
}
