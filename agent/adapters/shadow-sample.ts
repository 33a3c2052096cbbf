/** struct heddle_shadow_sample as a value. */
import { Reason, ShadowCount, ShadowSampleLayout } from '../../bpf/abi/heddle.gen.ts'
import type { KernelVerdict, ShadowSample } from '../ports.ts'
import { addressText } from './address-bytes.ts'
import { reasonName } from './connection.ts'

const KINDS: Readonly<Record<number, ShadowSample['kind']>> = {
  [ShadowCount.SHADOW_NEW_DENY]: 'new-deny',
  [ShadowCount.SHADOW_NEW_ALLOW]: 'new-allow',
  [ShadowCount.SHADOW_OTHER]: 'other',
}

/** Reasons that let a message in: shadow_lets(). */
const LETS = new Set<number>([Reason.ALLOWED, Reason.PASSED, Reason.UNPARSED_PASSED])
/** Refused without a reply: a connection that is not, or nobody who would read one. */
const SILENT = new Set<number>([Reason.DROPPED, Reason.TLS, Reason.UNKNOWN_STATE, Reason.REFUSED_BY_MODE])

/** `now`: CLOCK_MONOTONIC. Undefined = none was taken here, or one is being written at this moment. */
export function decodeShadowSample(bytes: Buffer, now: bigint): ShadowSample | undefined {
  const f = ShadowSampleLayout.fields
  const done = bytes.readBigUInt64LE(f.done.at)
  const kind = KINDS[bytes.readUInt8(f.kind.at)]
  if (done === 0n || done !== bytes.readBigUInt64LE(f.begun.at) || kind === undefined) return undefined
  const text = Math.min(bytes.readUInt32LE(f.text_bytes.at), f.text.bytes)
  const end = (address: { at: number }, port: { at: number }) => ({
    address: addressText(bytes.subarray(address.at, address.at + 16)),
    port: bytes.readUInt16LE(port.at),
  })
  const peer = bytes.readUInt32LE(f.peer.at)
  return {
    kind,
    agoMs: Math.max(0, Number(now - bytes.readBigUInt64LE(f.at.at)) / 1e6),
    source: { ...end(f.remote, f.remote_port), identity: peer === 0 ? null : peer },
    destination: end(f.local, f.local_port),
    protocol: bytes.readUInt8(f.protocol.at),
    request: requestOf(bytes.toString('latin1', f.text.at, f.text.at + text)),
    active: verdictOf(bytes.readUInt8(f.active_reason.at)),
    candidate: verdictOf(bytes.readUInt8(f.candidate_reason.at)),
  }
}

/** Of the head's beginning. What stands behind '?' and in fields may be somebody's secret, and stays here. */
function requestOf(head: string): ShadowSample['request'] {
  const [, method, path] = /^([!-~]{1,32}) ([/*][^ ?\r\n]*)/.exec(head) ?? []
  return method === undefined || path === undefined ? null : { method, path }
}

function verdictOf(reason: number): KernelVerdict {
  return { allowed: LETS.has(reason), reason: reasonName(reason), status: statusOf(reason) }
}

/** status_of() of parts/verdict-status.h. */
function statusOf(reason: number): number {
  if (LETS.has(reason) || SILENT.has(reason)) return 0
  if (reason === Reason.DENIED) return 403
  return reason === Reason.HEAD_TOO_LARGE ? 431 : 400
}
