/** Chance from a seed: the same number gives the same cases, on every machine. */

export type Random = { below(n: number): number; pick<T>(list: readonly T[]): T; chance(p: number): boolean }

/** mulberry32: 32 bits of state, enough to choose test cases. */
export function random(seed: number): Random {
  const next = fractions(seed)
  const below = (n: number) => Math.floor(next() * n)
  return {
    below,
    pick: <T>(list: readonly T[]) => list[below(list.length)] as T,
    chance: (p: number) => next() < p,
  }
}

/** 0 <= value < 1. */
export function fractions(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}
