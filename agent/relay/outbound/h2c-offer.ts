/**
 * `Upgrade: h2c`, as Java's HttpClient sends it with each first request. Nobody need take such an offer up
 * (RFC 9110 7.8), and behind one that an endpoint took no parser would know where a request begins: the
 * request goes on as one that says nothing of it.
 */
import { applyEdits, requestEdits } from '../../../pipelines/policy/route-edits.ts'
import type { Request } from '../../../pipelines/protocols/http1-request.ts'
import { changedRequest } from './changed-request.ts'

const OFFER = /(^|[ \t,])h2c($|[ \t,/])/i
/** What speaks of the offer alone (RFC 9113 3.1; its one mention is in old RFC 7540 3.2). */
const OF_THE_OFFER = ['upgrade', 'http2-settings']

const textOf = (bytes: Uint8Array) =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')

/** Values of the fields of that name; most names are of another length, and need no reading. */
function valuesOf({ fields }: Request, wanted: string): string[] {
  return fields
    .filter(({ name }) => name.length === wanted.length && textOf(name).toLowerCase() === wanted)
    .map(({ value }) => textOf(value))
}

/** Of a head without such an offer: itself. */
export function withoutH2cOffer(request: Request, bytes: Buffer): { request: Request; bytes: Buffer } {
  if (!valuesOf(request, 'upgrade').some((value) => OFFER.test(value))) return { request, bytes }
  const options = valuesOf(request, 'connection').flatMap((value) => value.split(/[ \t]*,[ \t]*/))
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
