/**
 * Waits for the end of the stack that started it, seen as the end of its
 * standard input, which a kill -9 causes too; then takes down what is left of
 * that very stack. By then a new one may be up in the same directory: that one
 * has another owner, and is let alone.
 */
import { ownerOf, undo } from './journal.ts'

const [dir, pid, started] = process.argv.slice(2)
if (dir === undefined || pid === undefined || started === undefined)
  throw new Error('usage: janitor.js DIR OWNER_PID OWNER_STARTED')

async function cleanUp(directory: string): Promise<void> {
  const owner = ownerOf(directory)
  if (owner?.pid === Number(pid) && owner.started === started) await undo(directory)
}

process.stdin.resume()
process.stdin.once('end', () => {
  cleanUp(dir).then(
    () => process.exit(0),
    (error: unknown) => {
      process.stderr.write(`cleaning up ${dir}: ${String(error)}\n`)
      process.exit(1)
    },
  )
})
