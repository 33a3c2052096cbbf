/** What the kernel's records say: struct heddle_conn and struct heddle_event as values. */
import { ConnLayout, EventLayout, Phase, Reason, RequestLayout } from '../../bpf/abi/heddle.gen.ts'
import { addressText } from './address-bytes.ts'
import { resized } from './libbpf.ts'

/** One TCP connection, named from the server's side. The cookie outlives reuse of ports. */
export type SocketName = {
  cookie: bigint
  /** 16 bytes, network order; IPv4 as ::ffff:a.b.c.d. */
  local: Uint8Array
  remote: Uint8Array
  localPort: number
  remotePort: number
}

export type Connection = SocketName & {
  phase: number
  flags: number
  reason: number
  /** Of the local reply, 0 = none. */
  status: number
  slot: number
  /** Heads judged so far: tells one message from the next. */
  requests: number
}

export type RelayEvent = SocketName & {
  kind: number
  reason: number
  status: number
  generation: bigint
  /** Heads judged so far: a 403 counts its own. */
  requests: number
}

const REASON_NAMES = new Map(Object.entries(Reason).map(([name, number]) => [number as number, name]))

export function reasonName(reason: number): string {
  return REASON_NAMES.get(reason) ?? `reason ${reason}`
}

type NameFields = Record<'cookie' | 'local' | 'remote' | 'local_port' | 'remote_port', Field>
type Field = { at: number; bytes: number }

/** The fields that both records have under the same names. */
function nameOf(bytes: Buffer, f: NameFields): SocketName {
  return {
    cookie: bytes.readBigUInt64LE(f.cookie.at),
    local: copy(bytes, f.local),
    remote: copy(bytes, f.remote),
    localPort: bytes.readUInt16LE(f.local_port.at),
    remotePort: bytes.readUInt16LE(f.remote_port.at),
  }
}

export function decodeConnection(bytes: Buffer): Connection {
  const f = ConnLayout.fields
  return {
    ...nameOf(bytes, f),
    phase: bytes.readUInt8(f.request.at + RequestLayout.fields.phase.at),
    flags: bytes.readUInt8(f.flags.at),
    reason: bytes.readUInt8(f.reason.at),
    status: bytes.readUInt16LE(f.status.at),
    slot: bytes.readUInt8(f.slot.at),
    requests: bytes.readUInt32LE(f.requests.at),
  }
}

/** Bytes of the shortest record that any ABI had, the first one's: records only grow. */
const EVENT_BYTES_ABI_1 = 72

/** Undefined = a record of no ABI. One of the ABI before may lack our last fields: they are zero. */
export function decodeEvent(record: Buffer): RelayEvent | undefined {
  if (record.length < EVENT_BYTES_ABI_1) return undefined
  const bytes = resized(record, EventLayout.bytes)
  const f = EventLayout.fields
  return {
    ...nameOf(bytes, f),
    kind: bytes.readUInt8(f.kind.at),
    reason: bytes.readUInt8(f.reason.at),
    status: bytes.readUInt16LE(f.status.at),
    generation: bytes.readBigUInt64LE(f.generation.at),
    requests: bytes.readUInt32LE(f.request.at),
  }
}

const IDLE = new Set<number>([Phase.START, Phase.TUNNEL, Phase.OPAQUE, Phase.CLOSED])

/** In the middle of a message: it keeps the generation that it began under. */
export function inMessage(connection: Connection): boolean {
  return !IDLE.has(connection.phase)
}

/** `local < remote` as text for people. */
export function socketText(name: SocketName): string {
  const end = (address: Uint8Array, port: number) => `${addressText(address)}|${port}`
  return `${end(name.remote, name.remotePort)} > ${end(name.local, name.localPort)}`
}

function copy(bytes: Buffer, field: Field): Uint8Array {
  return Uint8Array.prototype.slice.call(bytes, field.at, field.at + field.bytes)
}
