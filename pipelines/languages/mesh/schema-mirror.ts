/** `mirror` of a rule of a MeshPolicy. */
import { z } from 'zod'
import { field } from './schema-field.ts'

/** Characters of `name:port`: a label and five digits. */
const MAX_MIRROR_TARGET = 69

export const Mirror = z
  .strictObject({
    to: field(
      z.string().min(1).max(MAX_MIRROR_TARGET),
      'A service of this namespace: its name, or name:port. Without it the port of the rule, which then has one.',
      'payments-next:8080',
    ),
    ratio: field(
      z.number().min(0).max(1).optional(),
      'Share of the requests, each drawn by itself; to a millionth. Without it 1: all of them.',
      0.1,
    ),
  })
  .meta({
    id: 'Mirror',
    description:
      'Where copies go. A copy has the field `x-heddle-mirrored: 1`, and is never copied again; nobody waits for it or hears its answer.',
  })
export type Mirror = z.infer<typeof Mirror>
