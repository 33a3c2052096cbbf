/** What routes write into heads, checked once more: a front-end's oversight must not become another's request. */
import { Failure } from '../contract/failures.ts'
import { isTargetByte, isTokenByte, isValueByte } from '../protocols/http1-grammar.ts'
import { utf8 } from '../bytes.ts'
import { isReserved } from '../policy/route-change.ts'
import type { Field } from '../policy/route.ts'
import type { Source } from '../policy/source.ts'
import { at } from './blocks.ts'

function refused(source: Source, what: string): Failure {
  return new Failure('unsupported-feature', `${at(source)}: ${what}`)
}

/** A field's name in lower case. Throws Failure('unsupported-feature'), located. */
export function editableName(name: string, source: Source): string {
  const lower = name.toLowerCase()
  if (lower === '' || !utf8(lower).every(isTokenByte)) throw refused(source, `${name} is no header name`)
  if (isReserved(lower)) throw refused(source, `a filter can't change ${name}: it decides where messages end`)
  return lower
}

/** A line as it is written into a head. */
export function fieldLine({ name, value }: Field, source: Source): string {
  editableName(name, source)
  if (!utf8(value).every(isValueByte)) throw refused(source, `${JSON.stringify(value)} is no header value`)
  return `${name}: ${value}\r\n`
}

/** A part of a URL, as it is written into a target, Host or Location. */
export function urlText(text: string, source: Source): string {
  if (!utf8(text).every(isTargetByte))
    throw refused(source, `${JSON.stringify(text)} can't be a part of a URL`)
  return text
}
