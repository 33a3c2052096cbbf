/** RE2 in a document: refused where it stands when it is none. */
import { Failure } from '../contract/failures.ts'
import { compileExpression } from '../policy/expression.ts'
import type { Reader } from './reader.ts'
import type { Path } from './source-node.ts'

export function checkExpression(reader: Reader, path: Path, text: string): void {
  try {
    compileExpression(text)
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    const hint = 'write RE2 syntax: https://github.com/google/re2/wiki/Syntax'
    reader.refuse(path, error.code, error.message, hint)
  }
}
