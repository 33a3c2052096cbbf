/** `paths` of a MeshPolicy: its form. */
import { z } from 'zod'
import { field } from './schema-field.ts'

const answer = (description: string) => field(z.enum(['keep', 'refuse']).optional(), description, 'refuse')

export const Paths = z
  .strictObject({
    dotSegments: answer('A segment that is `.` or `..`, be it written as %2E: `/a/../b`.'),
    doubleSlashes: answer('`//` anywhere in the path.'),
    encodedSlashes: answer('%2F or %5C, a slash or backslash in disguise.'),
    encodedLetters: answer('Percent-encoding of what needs none (RFC 3986 2.3): `/%61dmin`.'),
  })
  .meta({
    id: 'Paths',
    description:
      'Paths that servers read in more than one way: `keep` (usual) compares them as they are sent, `refuse` answers them with 403 on every port that has a `match`.',
  })
export type Paths = z.infer<typeof Paths>
