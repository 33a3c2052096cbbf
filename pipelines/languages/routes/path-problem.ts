/** Paths that routes write, and that HTTPRoutes compare. */
const PATH_BYTES = /^(?:[-A-Za-z0-9/._~!$&'()*+,;=:@]|%[0-9a-fA-F]{2})+$/
/** HTTPPathMatch: what no path may have. */
const NEVER: [RegExp, string][] = [
  [/^(?!\/)/, 'must start with /'],
  [/\/\//, 'must not contain //'],
  [/\/\.(\/|$)/, 'must have no segment .'],
  [/\/\.\.(\/|$)/, 'must have no segment ..'],
  [/%2f/i, 'must not contain %2F'],
]

/** What is wrong with a path that requests are compared with, or get; undefined = nothing. */
export function pathProblem(value: string): string | undefined {
  const found = NEVER.find(([pattern]) => pattern.test(value))
  if (found !== undefined) return found[1]
  return PATH_BYTES.test(value) ? undefined : 'has characters that no path can have'
}
