/** The annotation that says what becomes of TLS and HTTP/2 on ports with HTTP rules. */
import type { Policy } from '../../policy/model.ts'
import { ANNOTATIONS, UNPARSED } from '../annotations.ts'
import type { Reader } from '../reader.ts'

export function unparsedOf(reader: Reader, annotations: Record<string, string>): Policy['unparsed'] {
  const value = annotations[UNPARSED] ?? 'refuse'
  if (value === 'refuse' || value === 'pass') return value
  reader.refuse(
    [...ANNOTATIONS, UNPARSED],
    'schema-violation',
    `\`${value}\` is no answer`,
    'write pass or refuse',
  )
  return 'refuse'
}
