/**
 * One row: an attack, the tests that name it, and the checks that stop it. Without these checks at least
 * one of the tests must fail (attacks.test.ts).
 */
export type Attack = {
  attack: string
  /** Below test/, without `.test.ts`. */
  file: string
  /** Full names, as they are told when they run. */
  tests: readonly string[]
  /** All of them are removed in the one build that must fail: where several stop it, no single one is missed. */
  without: readonly Cut[]
}

/** A check, and what is left of it when it is removed. */
export type Cut = {
  /** A source file of ours, or a file of a package: `node_modules/…`. */
  in: string
  /** Text of the compiled file, there exactly once. */
  cut: string
  put: string
}

/** `source.ts` as it is compiled. */
export function compiledPath({ in: source }: Cut): string {
  return source.startsWith('node_modules/') ? source : `dist/${source.replace(/\.ts$/, '.js')}`
}

/** Throws when the text is not there exactly once: the row has to follow the check. */
export function withoutCheck(text: string, { in: source, cut, put }: Cut): string {
  const pieces = text.split(cut)
  if (pieces.length !== 2) throw new Error(`${source}: ${pieces.length - 1} times, not once: ${cut}`)
  return pieces.join(put)
}
