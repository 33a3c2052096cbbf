/** Kernel releases as numbers: "6.18.44-amd64" -> [6, 18, 44]. */

/** True when `release` is at least `minimum`; false when either is unreadable. */
export function kernelAtLeast(release: string, minimum: string): boolean {
  const have = numbers(release)
  const need = numbers(minimum)
  if (have === undefined || need === undefined) return false
  for (const [at, wanted] of need.entries()) {
    const got = have[at] ?? 0
    if (got !== wanted) return got > wanted
  }
  return true
}

function numbers(text: string): number[] | undefined {
  const match = /^(\d+)\.(\d+)(?:\.(\d+))?/.exec(text)
  return match?.slice(1).map((part) => Number(part ?? 0))
}
