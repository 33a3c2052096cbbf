/** Where a statement stands in a source file; lines and columns count from 1. */
import { z } from 'zod'

export const Source = z.strictObject({
  file: z.string(),
  line: z.int().min(1),
  column: z.int().min(1),
})
export type Source = z.infer<typeof Source>
