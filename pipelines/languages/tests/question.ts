/** What a case asks: who asks whom for what. */
import { parseAddress } from '../../policy/address.ts'
import {
  type Asker,
  type CaseRequest,
  type InboundCase,
  type OutboundCase,
  parseCaseRequest,
} from '../../policy/policy-case.ts'
import { RANDOM_END } from '../../policy/route-evaluate.ts'
import type { Reader } from '../reader.ts'
import type { Path } from '../source-node.ts'
import type { Case } from './schema.ts'

const HTTP_PORT = 80
/** RFC 5737: an address that is nobody's. */
const WORLD = '192.0.2.1'

export type Question =
  | Pick<InboundCase, 'kind' | 'from' | 'request' | 'to'>
  | Pick<OutboundCase, 'kind' | 'from' | 'request' | 'service' | 'random'>

function requestOf(reader: Reader, request: NonNullable<Case['request']>, path: Path): CaseRequest {
  const fields = Object.entries(request.headers ?? {}).flatMap(([name, value]) =>
    [value].flat().map((each) => [name, each] as const),
  )
  const written = { line: request.line, fields }
  const parsed = parseCaseRequest(written)
  if ('refused' in parsed) {
    // Before any policy is asked, so that a slip of the pen would make "deny" hold.
    const message = `this is no canonical request (${parsed.refused})`
    const hint = 'write it as a client would send it: every policy is about requests that can be read'
    reader.refuse([...path, 'request', 'line'], 'schema-violation', message, hint)
  }
  return written
}

function askerOf(reader: Reader, from: Case['from'], path: Path, namespace: string): Asker {
  if (from === undefined) return { kind: 'world', address: WORLD }
  const here = [...path, 'from']
  const { labels, address } = from
  if (address === undefined) {
    if (labels === undefined) {
      const hint = 'write labels: {app: …}, or address: for who is no workload'
      reader.refuse(here, 'schema-violation', 'it is not said who asks', hint)
    }
    return { kind: 'workload', namespace: from.namespace ?? namespace, labels: labels ?? {} }
  }
  if (labels !== undefined || from.namespace !== undefined) {
    const message = 'an address is of the world: it has no labels and no namespace'
    reader.refuse([...here, 'address'], 'schema-violation', message, 'remove it, or the others')
  }
  if (parseAddress(address) === undefined) {
    const message = `\`${address}\` is no address`
    reader.refuse([...here, 'address'], 'schema-violation', message, 'write it like 192.0.2.1 or 2001:db8::1')
  }
  return { kind: 'world', address }
}

/** Whether exactly one of two fields is there; a finding when it is not. */
function oneOf<A, B>(
  reader: Reader,
  path: Path,
  [one, first]: [string, A],
  [other, second]: [string, B],
): boolean {
  if ((first === undefined) !== (second === undefined)) return true
  const message = `a case has either \`${one}\` or \`${other}\``
  const hint = first === undefined ? 'write one of them' : 'remove one of them'
  reader.refuse(first === undefined ? path : [...path, other], 'schema-violation', message, hint)
  return false
}

/** Refused for what can't be asked of a service. */
function checkCall(reader: Reader, written: Case, path: Path): void {
  if (written.connect !== undefined) {
    const message = 'a connection is let in by a workload, not by a service'
    reader.refuse([...path, 'connect'], 'schema-violation', message, 'write `to`, or a request')
  }
  if (written.from?.address !== undefined) {
    const message = 'where a request goes does not depend on the address that asks'
    const hint = 'remove it: without `from` the client is no workload'
    reader.refuse([...path, 'from', 'address'], 'schema-violation', message, hint)
  }
}

/** Rounded up: 0.9 is no more of the first nine of ten requests. */
function randomOf(share: number): number {
  return Math.min(Math.ceil(share * RANDOM_END), RANDOM_END - 1)
}

/** Undefined where a finding says why. */
export function questionOf(
  reader: Reader,
  written: Case,
  path: Path,
  namespace: string,
): Question | undefined {
  const { connect, to, service, random } = written
  const known = [
    oneOf(reader, path, ['request', written.request], ['connect', connect]),
    oneOf(reader, path, ['to', to], ['service', service]),
  ]
  const request = written.request === undefined ? null : requestOf(reader, written.request, path)
  const from = askerOf(reader, written.from, path, namespace)
  if (!known.every(Boolean)) return undefined
  if (to !== undefined) {
    if (random !== undefined) {
      const message = 'nothing is chosen at random where a workload is asked'
      reader.refuse([...path, 'random'], 'schema-violation', message, 'remove it')
    }
    return { kind: 'inbound', from, request, to: { labels: to.labels, port: to.port ?? HTTP_PORT } }
  }
  checkCall(reader, written, path)
  if (service === undefined || request === null) return undefined
  return {
    kind: 'outbound',
    from,
    request,
    service: {
      namespace: service.namespace ?? namespace,
      name: service.name,
      port: service.port ?? HTTP_PORT,
    },
    random: random === undefined ? null : randomOf(random),
  }
}
