/**
 * Provenance: the builder's signed statement of where an artifact came from, as
 * an in-toto Statement v1 with the SLSA provenance v1 predicate.
 */
import { z } from 'zod'

/** What the forge said about a change when it was built (who let it in). */
const Review = z.strictObject({
  rule: z.string(),
  approvals: z.array(z.strictObject({ by: z.string(), commit: z.string() })),
})

export const Provenance = z.strictObject({
  _type: z.literal('https://in-toto.io/Statement/v1'),
  /** Exactly one subject: the manifest; its digest is the artifact digest. */
  subject: z
    .array(
      z.strictObject({
        name: z.string(),
        digest: z.strictObject({ sha256: z.string().regex(/^[0-9a-f]{64}$/) }),
      }),
    )
    .length(1),
  predicateType: z.literal('https://slsa.dev/provenance/v1'),
  predicate: z.looseObject({
    buildDefinition: z.looseObject({
      buildType: z.string(),
      externalParameters: z.looseObject({ repository: z.string(), commit: z.string() }),
      internalParameters: z.looseObject({ review: Review.optional() }).optional(),
    }),
    runDetails: z.looseObject({ builder: z.looseObject({ id: z.string() }) }),
  }),
})
export type Provenance = z.infer<typeof Provenance>
