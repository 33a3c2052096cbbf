/** What a node remembers of the kernel's counters between two looks (measure.ts). */
import type { Intents } from '../pipelines/policy/intents.ts'
import type { Counts } from './ports.ts'

/** A look at the kernel's counters, and how many of the refusals seen until then nobody had declared. */
export type Look = { at: number; counts: Counts; last: number; seen: number; unintended: number }

export type Metered = {
  /** The release that all of this is about, and where it runs. */
  number: number
  slot: number
  intents: Intents
  /** Where the window begins, where the next one will, and the latest look. */
  from: Look
  next: Look
  last: Look
}
