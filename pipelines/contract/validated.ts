/** What validate hands to compile and sign, as a blob: too large for a queue's message. */
import { z } from 'zod'
import { PolicySet } from '../policy/model.ts'
import { Digest, Manifest } from './artifact.ts'

export const Validated = z.strictObject({
  schema: z.literal('heddle.validated/1'),
  set: PolicySet,
  source: Manifest.shape.source,
  /** The files that were read, by content: the materials of the provenance. */
  materials: z.array(z.strictObject({ path: z.string(), digest: Digest })),
})
export type Validated = z.infer<typeof Validated>
