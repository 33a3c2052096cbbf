/** The local stand-in for a schedule: reconcile at start and on a timer. */

export function reconciler(
  ports: { reconcile: () => Promise<void>; log: (line: string) => void },
  everyMs: number,
): { stop(): void } {
  let looking = false
  const look = () => {
    // A forge that is slow is not asked twice at a time.
    if (looking) return
    looking = true
    ports
      .reconcile()
      .catch((error: Error) => ports.log(`reconcile: ${error.message}`))
      .finally(() => {
        looking = false
      })
  }
  const timer = setInterval(look, everyMs)
  look()
  return { stop: () => clearInterval(timer) }
}
