/**
 * Waits for the end of the stack that started it, seen as the end of its
 * standard input, which a kill -9 causes too; then takes down what is left.
 */
import { undo } from './journal.ts'

const dir = process.argv[2]
if (dir === undefined) throw new Error('usage: janitor.js DIR')
process.stdin.resume()
process.stdin.once('end', () => {
  undo(dir).then(
    () => process.exit(0),
    (error: unknown) => {
      process.stderr.write(`cleaning up ${dir}: ${String(error)}\n`)
      process.exit(1)
    },
  )
})
