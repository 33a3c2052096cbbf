/** struct heddle_shadow_sample as a value: of a shadow, or of an audit rule. */
import { Reason, ShadowCount, ShadowSampleLayout } from '../../bpf/abi/heddle.gen.ts'
import type { AuditSample, KernelVerdict, ShadowSample } from '../ports.ts'
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

/** What every sample says. `now`: CLOCK_MONOTONIC. Undefined = none was taken here, or one is being written at this moment. */
function decode(bytes: Buffer, now: bigint) {
  const f = ShadowSampleLayout.fields
  const done = bytes.readBigUInt64LE(f.done.at)
  if (done === 0n || done !== bytes.readBigUInt64LE(f.begun.at)) return undefined
  const text = Math.min(bytes.readUInt32LE(f.text_bytes.at), f.text.bytes)
  const end = (address: { at: number }, port: { at: number }) => ({
    address: addressText(bytes.subarray(address.at, address.at + 16)),
    port: bytes.readUInt16LE(port.at),
  })
  const peer = bytes.readUInt32LE(f.peer.at)
  return {
    agoMs: Math.max(0, Number(now - bytes.readBigUInt64LE(f.at.at)) / 1e6),
    source: { ...end(f.remote, f.remote_port), identity: peer === 0 ? null : peer },
    destination: end(f.local, f.local_port),
    request: requestOf(bytes.toString('latin1', f.text.at, f.text.at + text)),
    active: verdictOf(bytes.readUInt8(f.active_reason.at)),
  }
}

export function decodeShadowSample(bytes: Buffer, now: bigint): ShadowSample | undefined {
  const f = ShadowSampleLayout.fields
  const kind = KINDS[bytes.readUInt8(f.kind.at)]
  const sample = decode(bytes, now)
  if (sample === undefined || kind === undefined) return undefined
  const candidate = verdictOf(bytes.readUInt8(f.candidate_reason.at))
  return { kind, protocol: bytes.readUInt8(f.protocol.at), ...sample, candidate }
}

export function decodeAuditSample(bytes: Buffer, now: bigint): AuditSample | undefined {
  const sample = decode(bytes, now)
  if (sample === undefined) return undefined
  const { active: verdict, ...said } = sample
  return { ...said, verdict }
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
  if (reason === Reason.LIMITED) return 429
  return reason === Reason.HEAD_TOO_LARGE ? 431 : 400
}
