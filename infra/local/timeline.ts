/** The demo's voice: one line an event, with the time since the start; colour only on a terminal. */
export type Timeline = {
  scene(title: string): void
  /** Something happened. */
  note(text: string): void
  /** A promise, and whether it was kept; the demo fails when one was not. */
  promise(kept: boolean, text: string): void
  /** Several lines of somebody else's words. */
  quote(text: string): void
  broken(): readonly string[]
  seconds(): number
}

const CODES = { bold: 1, dim: 2, red: 31, green: 32, cyan: 36 }

export function openTimeline(write: (text: string) => void, colour: boolean, now: () => number): Timeline {
  const start = now()
  const broken: string[] = []
  const paint = (code: keyof typeof CODES, text: string) =>
    colour ? `\x1b[${CODES[code]}m${text}\x1b[0m` : text
  const seconds = () => (now() - start) / 1000
  const line = (mark: string, text: string) =>
    write(`${paint('dim', `${seconds().toFixed(2).padStart(7)} s`)}  ${mark} ${text}\n`)
  let scenes = 0
  return {
    scene: (title) => {
      scenes++
      write(`\n${paint('bold', `${scenes}. ${title}`)}\n`)
    },
    note: (text) => line(paint('cyan', '·'), text),
    promise: (kept, text) => {
      if (!kept) broken.push(text)
      line(kept ? paint('green', '✓') : paint('red', '✗ NOT KEPT:'), text)
    },
    quote: (text) => {
      for (const each of text.trimEnd().split('\n')) write(`             ${paint('dim', `│ ${each}`)}\n`)
    },
    broken: () => broken,
    seconds,
  }
}
