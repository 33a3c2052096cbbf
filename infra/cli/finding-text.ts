/** A finding for people: where, what, and what to write instead. */
import type { Finding } from '../../pipelines/languages/finding.ts'
import { paint } from './style.ts'

export function findingText({ file, line, column, severity, code, message, hint }: Finding): string {
  const ink = severity === 'error' ? 'red' : 'yellow'
  return `${paint('bold', `${file}:${line}:${column}`)} ${paint(ink, severity)} ${code}: ${message}\n    ${hint}\n`
}
