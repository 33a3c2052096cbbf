/** A document being read: its text tree, and what was found so far. */
import type { FailureCode } from '../contract/failures.ts'
import type { Source } from '../policy/source.ts'
import { type Finding, problem, warning } from './finding.ts'
import { type Path, placeOf, type SourceNode } from './source-node.ts'

export interface Reader {
  readonly findings: Finding[]
  place(path: Path): Source
  refuse(path: Path, code: FailureCode, message: string, hint: string): void
  warn(path: Path, message: string, hint: string): void
}

export function readerOf(root: SourceNode): Reader {
  const findings: Finding[] = []
  const place = (path: Path) => placeOf(root, path)
  return {
    findings,
    place,
    refuse: (path, code, message, hint) => void findings.push(problem(place(path), code, message, hint)),
    warn: (path, message, hint) => void findings.push(warning(place(path), message, hint)),
  }
}
