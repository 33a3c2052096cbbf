/** What validate hands to compile and sign, as a blob: too large for a queue's message. */
import { z } from 'zod'
import { PolicySet } from '../policy/model.ts'
import { Digest, Manifest } from './artifact.ts'
import { Finding, MAX_FINDINGS } from './commit-status.ts'
import { Review } from './provenance.ts'

export const Validated = z.strictObject({
  schema: z.literal('heddle.validated/1'),
  set: PolicySet,
  source: Manifest.shape.source,
  /** The files that were read, by content: the materials of the provenance. */
  materials: z.array(z.strictObject({ path: z.string(), digest: Digest })),
  /** Who approved, where the forge knows reviews. */
  review: Review.optional(),
})
export type Validated = z.infer<typeof Validated>

/** What validate hands to plan: the same of a pull request, which is never built. */
export const Checked = z.strictObject({
  schema: z.literal('heddle.checked/1'),
  /** Null = refused; the findings say why. */
  set: PolicySet.nullable(),
  findings: z.array(Finding).max(MAX_FINDINGS),
  /**
   * Where the pull request left the branch, and what stood there (null = it was refused itself).
   * `behind` = the branch has gone on since. Null = there is nothing to compare with.
   */
  base: z.strictObject({ commit: z.string(), set: PolicySet.nullable(), behind: z.boolean() }).nullable(),
})
export type Checked = z.infer<typeof Checked>
