/** What the reference parser says of a stream, in the words of the harness. */
import { Diagram, Reason } from '../../../bpf/abi/heddle.gen.ts'
import { type Http1Event, parseHttp1 } from '../../../pipelines/protocols/http1.ts'
import { fieldValues, type Request } from '../../../pipelines/protocols/http1-request.ts'
import { NAMED_HOST } from '../vm/hand-tables.ts'
import { POLICIES } from '../vm/programs.ts'

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString('latin1')

const reasonNumber = (name: string) => Reason[name.replaceAll('-', '_').toUpperCase() as keyof typeof Reason]

/** Value classes of method and host and the path's latch, as the hand-made tables define them. */
function classes(request: Request): string {
  const { methods = [], prefixes = [] } = POLICIES['public'] ?? {}
  const method = methods.includes(text(request.method)) ? Diagram.CLASS_FIRST : Diagram.CLASS_OTHER
  const [host] = fieldValues(request, 'host')
  const named = host !== undefined && text(host) === NAMED_HOST
  const present = named ? Diagram.CLASS_FIRST : Diagram.CLASS_OTHER
  const latch = prefixes.some((prefix) => text(request.target).startsWith(prefix)) ? 1 : 0
  return `${method}:${host === undefined ? Diagram.CLASS_ABSENT : present}:${latch}`
}

function word(event: Http1Event): string {
  switch (event.kind) {
    case 'head':
      return `head@${event.at}:${classes(event.request)}`
    case 'end':
      return `end@${event.at}`
    case 'refused':
      return `refuse@${event.at}:${reasonNumber(event.reason)}`
    case 'tls':
      return `refuse@${event.at}:${Reason.TLS}`
    case 'http2':
      return `refuse@${event.at}:${Reason.HTTP2}`
    case 'other-protocol':
      return `refuse@${event.at}:${Reason.OTHER_PROTOCOL}`
  }
}

export const referenceEvents = (bytes: Uint8Array): string[] => parseHttp1(bytes).map(word)

/**
 * The one documented difference: that `PRI ` is no method on a connection that
 * has seen a request, the reference says at once, the kernel's parser (which
 * does not know) at the byte where the preface ends. Both refuse for bad-method.
 */
export function sameEvents(kernel: string[], reference: string[], bytes: Buffer): boolean {
  if (kernel.join(' ') === reference.join(' ')) return true
  const last = reference.at(-1) ?? ''
  const at = Number(/^refuse@(\d+)/.exec(last)?.[1] ?? -1)
  const latePreface =
    last === `refuse@${at}:${Reason.BAD_METHOD}` && text(bytes.subarray(at - 3, at + 1)) === 'PRI '
  if (!latePreface || kernel.slice(0, reference.length - 1).join() !== reference.slice(0, -1).join())
    return false
  const end = kernel[reference.length - 1]
  if (end === undefined) return '* HTTP/2.0'.startsWith(text(bytes.subarray(at + 1)))
  const [, place, reason] = /^refuse@(\d+):(\d+)$/.exec(end) ?? []
  return Number(place) >= at && Number(place) <= at + 10 && Number(reason) === Reason.BAD_METHOD
}
