/** `method`, `mediaType`, `charset` and `contentEncoding` of a match: tokens of RFC 9110 5.6.2. */
import { MAX_METHOD_BYTES } from '../../../protocols/http1-grammar.ts'
import { isToken } from '../../field-text.ts'
import type { ReadText } from './text.ts'

/** Of which no request is accepted (http1-states.ts). */
const NEVER = ['CONNECT', 'PRI']

export const methodLeaf: ReadText = (reader, path, text) => {
  if (NEVER.includes(text)) {
    const message = `no request with ${text} is accepted: each is refused with 400`
    reader.refuse(path, 'unsupported-feature', message, 'remove it')
    return undefined
  }
  if (!isToken(text) || text.length > MAX_METHOD_BYTES) {
    const hint = `write it like GET, at most ${MAX_METHOD_BYTES} bytes`
    reader.refuse(path, 'schema-violation', `\`${text}\` is no method`, hint)
    return undefined
  }
  return { kind: 'method', text: { kind: 'exact', value: text } }
}

export const mediaTypeLeaf: ReadText = (reader, path, text) => {
  const [type = '', subtype = '', ...rest] = text.split('/')
  if (type === '*' || !isToken(type) || !isToken(subtype) || rest.length > 0) {
    const hint = text.includes(';')
      ? 'write the type alone, and its charset under charset'
      : 'write it like application/json or image/*'
    reader.refuse(path, 'schema-violation', `\`${text}\` is no media type`, hint)
    return undefined
  }
  return { kind: 'media-type', value: text.toLowerCase() }
}

export const charsetLeaf: ReadText = (reader, path, text) => {
  if (isToken(text)) return { kind: 'charset', value: text.toLowerCase() }
  reader.refuse(path, 'schema-violation', `\`${text}\` is no charset`, 'write it like utf-8')
  return undefined
}

export const codingLeaf: ReadText = (reader, path, text) => {
  if (isToken(text)) return { kind: 'content-coding', value: text.toLowerCase() }
  reader.refuse(path, 'schema-violation', `\`${text}\` is no content coding`, 'write it like gzip')
  return undefined
}
