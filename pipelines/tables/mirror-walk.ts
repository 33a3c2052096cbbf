/** Mirrors that a request meets, read from the tables as the kernel reads them (bpf/programs/parts/copy.h). */
import { AT, MIRROR_WORDS } from './layout.ts'
import type { TablesWalker } from './walk.ts'

type Tables = Pick<TablesWalker, 'word'>

/** struct heddle_mirror. */
export type MetMirror = {
  /** Number in the manifest's `services`. */
  readonly service: number
  readonly ratio: number
}

/** `met`: a bit for each. */
export function mirrorsIn(tables: Tables, met: bigint): MetMirror[] {
  const mirrorsAt = tables.word(AT.mirrors_at)
  const mirrors: MetMirror[] = []
  for (let index = 0; met >> BigInt(index) !== 0n; index++) {
    if (((met >> BigInt(index)) & 1n) === 0n) continue
    const at = mirrorsAt + index * MIRROR_WORDS
    mirrors.push({ service: tables.word(at), ratio: tables.word(at + 1) })
  }
  return mirrors
}
