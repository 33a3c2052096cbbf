/**
 * Provenance: the builder's signed statement of where an artifact came from, as
 * an in-toto Statement v1 with the SLSA provenance v1 predicate.
 */
import { z } from 'zod'

/** What the forge said about a change when it was built: who let it in, and which rule asked for it. */
export const Review = z.strictObject({
  /** The pull request that the commit came by; null = pushed without one. */
  pull: z.int().nullable(),
  /** Its last commit when it was merged. */
  head: z.string().nullable(),
  rule: z.string(),
  /** `outdated`: of an older commit than the one that was merged, so of something else. */
  approvals: z.array(z.strictObject({ by: z.string(), commit: z.string(), outdated: z.boolean() })),
})
export type Review = z.infer<typeof Review>

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
