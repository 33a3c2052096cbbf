/** What a front-end has to say about a file: a place, a closed code, a reason and what to do. */
import type { FailureCode } from '../contract/failures.ts'
import type { Source } from '../policy/source.ts'

/** `suspicious-rule` only warns: the rule is honoured, but seldom what its author meant. */
export type FindingCode = FailureCode | 'suspicious-rule'

export type Finding = Source & {
  code: FindingCode
  message: string
  hint: string
  severity: 'error' | 'warning'
}

export function problem(at: Source, code: FailureCode, message: string, hint: string): Finding {
  return { ...at, code, message, hint, severity: 'error' }
}

export function warning(at: Source, message: string, hint: string): Finding {
  return { ...at, code: 'suspicious-rule', message, hint, severity: 'warning' }
}

/** By file, then place: the order in which a reader meets them. */
export function inReadingOrder(findings: Finding[]): Finding[] {
  const place = (finding: Finding) => [finding.line, finding.column] as const
  return [...findings].sort((left, right) => {
    if (left.file !== right.file) return left.file < right.file ? -1 : 1
    const [line, column] = place(left)
    const [otherLine, otherColumn] = place(right)
    return line - otherLine || column - otherColumn
  })
}
