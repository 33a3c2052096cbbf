/** What nodes say of a release, whenever its number becomes known. */
import type { Report } from '../../../pipelines/contract/release.ts'
import type { FleetWorld } from './fleet-world.ts'

/** Milliseconds; a fleet that is not there by then is not getting there. */
const DEADLINE_MS = 300_000

/** `at`: when it was heard, on performance.now()'s clock. */
export type Heard = { at: number; report: Report }

export type Hearing = {
  /** The release, once it has a number: reports may be faster than whoever released it. */
  wants(number: number): void
  /** Of each node the first report that it enforces the release. */
  all: Promise<Heard[]>
}

export function hear(world: FleetWorld, size: number): Hearing {
  const early: Heard[] = []
  const first = new Map<string, Heard>()
  let wanted: number | undefined
  let done: (heard: Heard[]) => void = () => {}
  const note = (heard: Heard) => {
    const { outcome, number, node } = heard.report
    if (outcome !== 'enforced' || number !== wanted || first.has(node)) return
    first.set(node, heard)
    if (first.size === size) done([...first.values()])
  }
  world.onReport((report) => {
    const heard = { at: performance.now(), report }
    if (wanted === undefined) early.push(heard)
    else note(heard)
  })
  const all = new Promise<Heard[]>((resolve, reject) => {
    const late = () => reject(new Error(`${size - first.size} of ${size} nodes do not enforce`))
    const timer = setTimeout(late, DEADLINE_MS)
    done = (heard) => {
      clearTimeout(timer)
      world.onReport(undefined)
      resolve(heard)
    }
  })
  return {
    wants(number) {
      wanted = number
      for (const heard of early) note(heard)
    },
    all,
  }
}
