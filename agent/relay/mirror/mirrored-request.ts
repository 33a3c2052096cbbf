/** A copied request as it is sent: with the field that says so, without what spoke of the connection it came by. */
import { isCopy, MIRRORED } from '../../../pipelines/policy/mirror.ts'
import { applyEdits, requestEdits } from '../../../pipelines/policy/route-edits.ts'
import { byteText } from '../../../pipelines/protocols/http1-grammar.ts'
import { fieldValues, type Request } from '../../../pipelines/protocols/http1-request.ts'
import { parseHttp1 } from '../../../pipelines/protocols/http1.ts'

export type MirroredRequest = { request: Request; head: boolean; bytes: Buffer }

/** Of one hop (RFC 9110 7.6.1); what asks for a 100 gets its body with it. */
const HOP_BY_HOP = [
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'upgrade',
  'http2-settings',
  'expect',
  MIRRORED,
]
/** They say where the request ends, and what it is for: whatever Connection names. */
const KEPT = ['content-length', 'transfer-encoding', 'host', 'trailer']

/** `bytes`: one whole request, head and body. */
export function mirroredRequest(bytes: Buffer): MirroredRequest | 'again' | 'unreadable' {
  const events = parseHttp1(bytes)
  const [head, end, more] = events
  if (head?.kind !== 'head' || end?.kind !== 'end' || end.at !== bytes.length || more !== undefined)
    return 'unreadable'
  const { request, at } = head
  if (isCopy(request)) return 'again'
  const named = fieldValues(request, 'connection')
    .flatMap((value) =>
      byteText(value)
        .toLowerCase()
        .split(/[ \t]*,[ \t]*/),
    )
    .filter((name) => name !== '' && !KEPT.includes(name))
  const change = {
    path: null,
    host: null,
    headers: { drop: [...new Set([...HOP_BY_HOP, ...named])], append: [{ name: MIRRORED, value: '1' }] },
  }
  const written = bytes.subarray(0, at)
  const changed = applyEdits(written, requestEdits(written, change))
  return {
    request,
    head: byteText(request.method) === 'HEAD',
    bytes: Buffer.concat([changed, bytes.subarray(at)]),
  }
}
