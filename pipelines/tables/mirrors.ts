/** Mirrors as the kernel reads them: struct heddle_mirror, by the number of the block. */
import { serviceText } from '../policy/route.ts'
import { type FullBlock, observes } from './blocks.ts'
import type { CollectedRoutes } from './route-collect.ts'

/** Of every block that observes, as the first blocks do; one that is no mirror has zeroes. */
export function mirrorsOf(blocks: readonly FullBlock[], services: CollectedRoutes['services']): number[] {
  const observers = blocks.filter(({ kind }) => observes(kind))
  if (!observers.some(({ mirror }) => mirror !== undefined)) return []
  return observers.flatMap(({ mirror }) =>
    mirror === undefined ? [0, 0] : [services.number(serviceText(mirror.to), mirror.to), mirror.ratio],
  )
}
