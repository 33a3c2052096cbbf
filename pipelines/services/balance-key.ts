/**
 * What of a request decides its endpoint under Maglev. The kernel comes to the same number
 * (bpf/protocols/http1/hash-key.h): bytes are taken as they were sent, nothing is decoded. Of several fields,
 * cookies or parameters of the name the first counts; a request that has none is hashed by its source.
 */
import { targetOf } from '../policy/route-match.ts'
import { byteText } from '../protocols/http1-grammar.ts'
import { fieldValues, type Request } from '../protocols/http1-request.ts'
import { hashNumber, hashText } from './balance-hash.ts'
import type { HashOf } from './model.ts'

/** Of `name=value`, parted by `mark`; a name alone has an empty value. Undefined = there is none. */
function pairValue(text: string, mark: ';' | '&', name: string): string | undefined {
  for (const part of text.split(mark)) {
    const pair = mark === ';' ? part.replace(/^[ \t]+/, '') : part
    if (pair === name) return ''
    if (pair.startsWith(`${name}=`)) return pair.slice(name.length + 1).replace(/^[ \t]+|[ \t]+$/g, '')
  }
  return undefined
}

/** Undefined = the request has none of it. */
export function hashed(hash: Exclude<HashOf, { of: 'source' }>, request: Request): string | undefined {
  const field = (name: string) => fieldValues(request, name).map(byteText)[0]
  switch (hash.of) {
    case 'header':
      return field(hash.name.toLowerCase())
    case 'cookie':
      return pairValue(field('cookie') ?? '', ';', hash.name)
    case 'query':
      return pairValue(targetOf(request).query ?? '', '&', hash.name)
  }
}

/** `identity`: of the workload that asks. */
export function hashKey(hash: HashOf, request: Request, identity: number): number {
  const value = hash.of === 'source' ? undefined : hashed(hash, request)
  return value === undefined ? hashNumber(identity) : hashText(value)
}
