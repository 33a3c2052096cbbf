/** What Ctrl-C and SIGTERM do to a benchmark: what is up is taken down, the newest first, and the process ends. */
import { exitCodeOf, SIGNALS, takeDown } from '../../infra/local/signals.ts'

/** What gives no promise lets nothing else of this process run meanwhile. */
type End = () => unknown

const ends: End[] = []

/** From now on `end` belongs to the end; calling the result takes it back. */
export function atSignal(end: End): () => void {
  ends.push(end)
  return () => {
    const at = ends.indexOf(end)
    if (at >= 0) ends.splice(at, 1)
  }
}

/** `run` lays a foundation in `dir`: a signal takes that down, also while it is laid. */
export async function onFoundation<T>(dir: string, run: () => Promise<T>): Promise<T> {
  const over = atSignal(() => takeDown(dir))
  try {
    return await run()
  } finally {
    over()
  }
}

/** To the end of this process: where nobody listens any more, execa ends it at once, and nothing is taken down. */
export function endOnSignals(say: (line: string) => void): void {
  let ending = false
  for (const signal of SIGNALS) {
    process.on(signal, () => {
      if (ending) return
      ending = true
      say(`${signal}: taking everything down`)
      void endAll(say).finally(() => process.exit(exitCodeOf(signal)))
    })
  }
}

/** What fails does not keep the rest. */
async function endAll(say: (line: string) => void): Promise<void> {
  for (const end of ends.toReversed()) {
    try {
      const under = end()
      if (under instanceof Promise) await under
    } catch (error) {
      say(String(error))
    }
  }
}
