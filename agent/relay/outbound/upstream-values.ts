/** How entries of the maps `upstreams` and `pools` are read and written. */
import {
  Ended,
  PoolKeyLayout,
  ResponseLayout,
  ResponsePhase,
  UpstreamFlag,
  UpstreamLayout,
  Use,
  Way,
  Work,
} from '../../../bpf/abi/heddle.gen.ts'
import type { KernelEnd } from './ports.ts'
import type { ResponseRest, UneditedResponse } from './response-reader.ts'

const { fields } = UpstreamLayout
const PHASE_AT = fields.response.at + ResponseLayout.fields.phase.at
const STATUS_AT = fields.response.at + ResponseLayout.fields.status.at
const FLAGS_AT = fields.response.at + ResponseLayout.fields.flags.at
const REMAINING_AT = fields.response.at + ResponseLayout.fields.remaining.at
const FRAMINGS = new Map<number, ResponseRest['framing']>([
  [ResponsePhase.RESPONSE_BODY, 'length'],
  [ResponsePhase.RESPONSE_CHUNK_DATA, 'chunk'],
  [ResponsePhase.RESPONSE_TO_CLOSE, 'to-close'],
])
/** RESPONSE_CLOSE (bpf/protocols/http1/response.h). */
const CLOSES = 8

/**
 * It has ended: what became of the response that the kernel carried on it. Undefined = there was none. One that only
 * the end of its connection ends may be whole: its status, else enum heddle_ended.
 */
export function brokenOff(value: Buffer): number | undefined {
  if (value.readUInt32LE(fields.way.at) !== Way.WAY_KERNEL || !endOf(value).working) return undefined
  const toClose = value.readUInt8(PHASE_AT) === ResponsePhase.RESPONSE_TO_CLOSE
  return toClose ? value.readUInt16LE(STATUS_AT) : Ended.ENDED_RESET
}

/** Is it for a client's own connection? */
export function isDirect(value: Buffer | undefined): boolean {
  return ((value?.readUInt32LE(fields.flags.at) ?? 0) & UpstreamFlag.UPSTREAM_DIRECT) !== 0
}

/** How far the response had come. */
export function endOf(value: Buffer): KernelEnd {
  const phase = value.readUInt8(PHASE_AT)
  return {
    working: (value.readUInt32LE(fields.work.at) & Work.WORK_RESPONSE) !== 0,
    begun: phase !== ResponsePhase.RESPONSE_START,
    closes: phase === ResponsePhase.RESPONSE_TO_CLOSE || (value.readUInt8(FLAGS_AT) & CLOSES) !== 0,
  }
}

/** Undefined = what comes is no rest of a response. */
export function restOf(value: Buffer): ResponseRest | UneditedResponse | undefined {
  if (value.readUInt32LE(fields.way.at) !== Way.WAY_RELAY) return undefined
  const at = value.readUInt32LE(fields.response_at.at)
  if (value.readUInt8(PHASE_AT) === ResponsePhase.RESPONSE_START && at !== 0) {
    const head = (value.readUInt32LE(fields.flags.at) & UpstreamFlag.UPSTREAM_HEAD) !== 0
    const edit = { generation: value.readBigUInt64LE(fields.edits.at), at }
    return { framing: 'head', asked: { head, upgrade: false }, edit }
  }
  const framing = FRAMINGS.get(value.readUInt8(PHASE_AT))
  return framing && { framing, remaining: Number(value.readBigUInt64LE(REMAINING_AT)) }
}

export function poolKey(endpoint: number, identity: number): Buffer {
  const key = Buffer.alloc(PoolKeyLayout.bytes)
  key.writeUInt32LE(endpoint, PoolKeyLayout.fields.endpoint.at)
  key.writeUInt32LE(identity, PoolKeyLayout.fields.identity.at)
  return key
}

export function upstreamValue(
  endpoint: number,
  identity: number,
  local: boolean,
  use: number = Use.USE_OPENING,
): Buffer {
  const value = Buffer.alloc(UpstreamLayout.bytes)
  value.writeUInt32LE(use, fields.use.at)
  if (!local) value.writeUInt32LE(UpstreamFlag.UPSTREAM_REMOTE, fields.flags.at)
  value.writeUInt32LE(endpoint, fields.endpoint.at)
  value.writeUInt32LE(identity, fields.identity.at)
  return value
}
