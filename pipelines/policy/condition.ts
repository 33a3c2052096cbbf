/**
 * What a rule of a MeshPolicy asks of a request, as a tree of conditions. Nothing is decoded or
 * normalised: bytes are compared as they were sent, as routes compare them (route-match.ts).
 * What each condition means: condition-match.ts, the reference.
 */
import { z } from 'zod'

/** `regex`: RE2, full match. `prefix` and `suffix`: by bytes. */
export const Text = z.strictObject({
  kind: z.enum(['exact', 'prefix', 'suffix', 'regex']),
  value: z.string(),
})
export type Text = z.infer<typeof Text>

/** `segments`: the path itself, or what lies below it; its last slash says nothing. */
export const PathText = z.strictObject({
  kind: z.enum(['exact', 'segments', 'prefix', 'suffix', 'regex']),
  value: z.string(),
})
export type PathText = z.infer<typeof PathText>

/** A value's text, or `null` = it is there at all. Names of headers are in lower case. */
const Named = { name: z.string(), text: Text.nullable() }

export const Leaf = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('method'), text: Text }),
  /** The target without its query. */
  z.strictObject({ kind: z.literal('path'), text: PathText }),
  /** `api.example.com`, `api.example.com:8080` or `*.example.com`, in lower case. */
  z.strictObject({ kind: z.literal('host'), value: z.string() }),
  z.strictObject({ kind: z.literal('header'), ...Named }),
  z.strictObject({ kind: z.literal('query'), ...Named }),
  z.strictObject({ kind: z.literal('cookie'), ...Named }),
  /** `application/json` or `image/*`, in lower case. */
  z.strictObject({ kind: z.literal('media-type'), value: z.string() }),
  /** In lower case. */
  z.strictObject({ kind: z.literal('charset'), value: z.string() }),
  /** In lower case. */
  z.strictObject({ kind: z.literal('content-coding'), value: z.string() }),
])
export type Leaf = z.infer<typeof Leaf>

/** `all` of nothing holds, `any` of nothing does not. */
export type Condition =
  | { kind: 'all'; of: Condition[] }
  | { kind: 'any'; of: Condition[] }
  | { kind: 'not'; of: Condition }
  | Leaf

export const Condition: z.ZodType<Condition> = z.lazy(() =>
  z.union([
    Leaf,
    z.strictObject({ kind: z.enum(['all', 'any']), of: z.array(Condition) }),
    z.strictObject({ kind: z.literal('not'), of: Condition }),
  ]),
)
