/** What audit rules saw of requests that the relay judges: told to the counts and samples of the kernel's programs. */
import {
  AuditNoteLayout,
  AuditSampleLayout,
  AuditWhat,
  Limit,
  Reason,
  ShadowSampleLayout,
} from '../../bpf/abi/heddle.gen.ts'
import type { Request } from '../../pipelines/protocols/http1-request.ts'
import type { Audited } from '../../pipelines/tables/walk.ts'
import { FollowedProgram } from '../adapters/bpf-run.ts'

const { place: PLACE, what: WHAT, sample } = AuditNoteLayout.fields
const { audit: AUDIT, seen } = AuditSampleLayout.fields
const SEEN = ShadowSampleLayout.fields
const IPPROTO_TCP = 6
const SPACE = 0x20
const QUESTION = 0x3f

/** What became of a request; `unread`: it is none. */
export type AuditVerdict = 'allowed' | 'passed' | 'denied' | 'limited' | 'unread'

const OF: Record<AuditVerdict, { what: number; reason: number }> = {
  allowed: { what: AuditWhat.AUDIT_ALLOWED, reason: Reason.ALLOWED },
  passed: { what: AuditWhat.AUDIT_ALLOWED, reason: Reason.PASSED },
  denied: { what: AuditWhat.AUDIT_REFUSED, reason: Reason.DENIED },
  limited: { what: AuditWhat.AUDIT_REFUSED, reason: Reason.LIMITED },
  unread: { what: AuditWhat.AUDIT_UNREAD, reason: Reason.ALLOWED },
}

/** `peer`: the identity of `remote`, where it is known by more than its address; else 0. */
export type AuditedBy = {
  local: Uint8Array
  remote: Uint8Array
  localPort: number
  remotePort: number
  peer: number
  /** Of the active generation: generation << 8 | slot. */
  word: bigint
}

export class KernelAudits {
  private readonly program = new FollowedProgram(AuditNoteLayout.bytes)

  /** `pin` of relay_audit. An older dispatcher has none: then what the relay judges is not counted. */
  follow(pin: string): void {
    this.program.follow(pin)
  }

  note(rules: readonly Audited[], by: AuditedBy, verdict: AuditVerdict, request: Request | 'unparsed'): void {
    const { run } = this.program
    if (run === undefined || rules.length === 0) return
    write(run.context, by, OF[verdict], request)
    for (const { place, id } of rules) {
      const slot = Number(by.word & 0xffn)
      run.context.writeUInt32LE(slot * Limit.MAX_OBSERVERS + place, PLACE.at)
      run.context.writeBigUInt64LE(id, sample.at + AUDIT.at)
      run.run()
    }
  }

  close(): void {
    this.program.close()
  }
}

function write(
  note: Buffer,
  { local, remote, localPort, remotePort, peer, word }: AuditedBy,
  { what, reason }: { what: number; reason: number },
  request: Request | 'unparsed',
): void {
  const of = (field: { at: number }) => sample.at + seen.at + field.at
  note.fill(0)
  note.writeUInt32LE(what, WHAT.at)
  note.writeBigUInt64LE(word >> 8n, of(SEEN.generation))
  note.set(remote, of(SEEN.remote))
  note.set(local, of(SEEN.local))
  note.writeUInt16LE(remotePort, of(SEEN.remote_port))
  note.writeUInt16LE(localPort, of(SEEN.local_port))
  note.writeUInt8(IPPROTO_TCP, of(SEEN.protocol))
  note.writeUInt8(reason, of(SEEN.active_reason))
  note.writeUInt32LE(peer, of(SEEN.peer))
  const text = (request === 'unparsed' ? Buffer.alloc(0) : lineOf(request)).subarray(0, SEEN.text.bytes)
  note.set(text, of(SEEN.text))
  note.writeUInt32LE(text.length, of(SEEN.text_bytes))
}

/** Method and path. The query may be somebody's secret. */
function lineOf({ method, target }: Request): Buffer {
  const query = target.indexOf(QUESTION)
  return Buffer.concat([method, Uint8Array.of(SPACE), query < 0 ? target : target.subarray(0, query)])
}
