/**
 * `Upgrade: h2c`, as Java's HttpClient sends it with each first request. Nobody need take such an offer up
 * (RFC 9110 7.8), and behind one that an endpoint took no parser would know where a request begins: the
 * request goes on as one that says nothing of it.
 */
import { applyEdits, requestEdits } from '../../../pipelines/policy/route-edits.ts'
import { byteText } from '../../../pipelines/protocols/http1-grammar.ts'
import { fieldValues, type Request } from '../../../pipelines/protocols/http1-request.ts'
import { changedRequest } from './changed-request.ts'

const OFFER = /(^|[ \t,])h2c($|[ \t,/])/i
/** What speaks of the offer alone (RFC 7540 3.2.1). */
const OF_THE_OFFER = ['upgrade', 'http2-settings']

export function offersH2c(request: Request): boolean {
  return fieldValues(request, 'upgrade').some((value) => OFFER.test(byteText(value)))
}

/** Of a request that makes one. */
export function withoutH2cOffer(request: Request, bytes: Buffer): { request: Request; bytes: Buffer } {
  const options = fieldValues(request, 'connection').flatMap((value) =>
    byteText(value).split(/[ \t]*,[ \t]*/),
  )
  const kept = options.filter((option) => option !== '' && !OF_THE_OFFER.includes(option.toLowerCase()))
  const change = {
    path: null,
    host: null,
    headers: {
      drop: [...OF_THE_OFFER, 'connection'],
      append: kept.length === 0 ? [] : [{ name: 'Connection', value: kept.join(', ') }],
    },
  }
  return {
    request: changedRequest(request, change),
    bytes: Buffer.from(applyEdits(bytes, requestEdits(bytes, change))),
  }
}
