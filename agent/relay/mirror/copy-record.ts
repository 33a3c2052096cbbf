/** Records of the ring `copies`: struct heddle_copy, and the bytes behind it. */
import { CopyKind, CopyLayout } from '../../../bpf/abi/heddle.gen.ts'

export type CopyRecord = {
  kind: 'to' | 'bytes' | 'end' | 'forget' | 'too-large' | 'broken'
  /** CLOCK_MONOTONIC, nanoseconds. */
  at: bigint
  /** Of the socket, and the number of the request on it. */
  cookie: bigint
  request: number
  /** Of the first byte in the copy. */
  offset: number
  bytes: Buffer
  /** Of kind `to`: live numbers of services. */
  targets: number[]
  asker: Asker
}

/** In whose name a copy is sent: of a workload by its address, or of a client by its identity. */
export type Asker = { address: Uint8Array } | { identity: number }

const KINDS = new Map<number, CopyRecord['kind']>([
  [CopyKind.COPY_TO, 'to'],
  [CopyKind.COPY_BYTES, 'bytes'],
  [CopyKind.COPY_END, 'end'],
  [CopyKind.COPY_FORGET, 'forget'],
  [CopyKind.COPY_TOO_LARGE, 'too-large'],
  [CopyKind.COPY_BROKEN, 'broken'],
])
const { fields } = CopyLayout

/** Undefined = of another ABI. The bytes are those of `record`. */
export function decodeCopy(record: Buffer): CopyRecord | undefined {
  if (record.length < CopyLayout.bytes) return undefined
  const kind = KINDS.get(record.readUInt32LE(fields.kind.at))
  const length = record.readUInt32LE(fields.bytes.at)
  if (kind === undefined || CopyLayout.bytes + length > record.length) return undefined
  const identity = record.readUInt32LE(fields.identity.at)
  const { at, bytes } = fields.asker
  return {
    kind,
    at: record.readBigUInt64LE(fields.at.at),
    cookie: record.readBigUInt64LE(fields.cookie.at),
    request: record.readUInt32LE(fields.request.at),
    offset: record.readUInt32LE(fields.offset.at),
    bytes: record.subarray(CopyLayout.bytes, CopyLayout.bytes + length),
    targets: targetsOf(record.readBigUInt64LE(fields.targets.at)),
    asker: identity === 0 ? { address: Uint8Array.from(record.subarray(at, at + bytes)) } : { identity },
  }
}

/** 16 bits each, the lowest first. */
function targetsOf(word: bigint): number[] {
  const targets: number[] = []
  for (let rest = word; rest !== 0n; rest >>= 16n) targets.push(Number(rest & 0xffffn) - 1)
  return targets
}
