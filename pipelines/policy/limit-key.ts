/**
 * Which bucket of a limit a request takes from, as the kernel has it (bpf/protocols/http1/keys.h): a
 * hash that begins with a secret of the node, as a client that knew it could name somebody else's.
 */
import { fieldValues, type Request } from '../protocols/http1-request.ts'

const PRIME = 0x100000001b3n
const UINT64 = (1n << 64n) - 1n
const COMMA = 0x2c
const QUERY = 0x3f

function mix(hash: bigint, value: bigint): bigint {
  const product = ((hash ^ value) * PRIME) & UINT64
  return product ^ (product >> 32n)
}

function mixBytes(hash: bigint, bytes: Uint8Array): bigint {
  let mixed = hash
  for (const byte of bytes) mixed = mix(mixed, BigInt(byte))
  return mixed
}

/** Each line is one more value behind a comma. */
function headerHash(secret: bigint, request: Request, name: string): bigint {
  return fieldValues(request, name).reduce((hash, value) => mixBytes(mix(hash, BigInt(COMMA)), value), secret)
}

/** Who asks: a workload's identity; without one (0) its address, 16 bytes. */
export type Asking = { identity: number; address: Uint8Array }

/** `headers` by their numbers, in order, undefined = the request has none; `who` where the limit is keyed by it. */
export type KeyedBy = { path: boolean; headers: readonly (string | undefined)[]; who: Asking | undefined }

export function keyHash(secret: bigint, request: Request, { path, headers, who }: KeyedBy): bigint {
  const end = request.target.indexOf(QUERY)
  let hash = path ? mixBytes(secret, end < 0 ? request.target : request.target.subarray(0, end)) : secret
  for (const name of headers) {
    hash = mix(hash, name === undefined ? secret : headerHash(secret, request, name))
  }
  if (who === undefined) return hash
  if (who.identity !== 0) return mix(hash, BigInt(who.identity))
  const view = new DataView(who.address.buffer, who.address.byteOffset, who.address.byteLength)
  return mix(mix(hash, view.getBigUint64(0, true)), view.getBigUint64(8, true))
}
