/** What audit rules counted and sampled in the node's real kernel. */
import { existsSync } from 'node:fs'
import { AuditedLayout, AuditSampleLayout, AuditWhat, Limit, ShadowLimit } from '../../bpf/abi/heddle.gen.ts'
import type { AuditCounts, AuditMaps, AuditSample } from '../ports.ts'
import { withMap } from './attach.ts'
import { type BpfMap, u64 } from './libbpf.ts'
import { batches } from './map-batch.ts'
import type { Pins } from './pins.ts'
import { possibleCpus } from './possible-cpus.ts'
import { decodeAuditSample } from './shadow-sample.ts'

const ID_BYTES = 8
const SAMPLES = Limit.SLOTS * Limit.MAX_OBSERVERS * ShadowLimit.SHADOW_SAMPLES

export function auditMaps(pins: Pins): AuditMaps {
  return {
    counts: async () => (existsSync(pins.map('audits')) ? counts(pins) : new Map()),
    samples: async () => (existsSync(pins.map('audits')) ? samples(pins) : new Map()),
    keep: async (ids) => {
      if (existsSync(pins.map('audits'))) keep(pins, ids)
    },
  }
}

function counts(pins: Pins): Map<string, AuditCounts> {
  return withMap(
    pins.map('audits'),
    (map) => new Map(keysOf(map).map((key) => [String(key.readBigUInt64LE()), countsAt(map, key)])),
  )
}

const keysOf = (map: BpfMap) => [...map.keys(ID_BYTES, Limit.MAX_AUDITED)]

function countsAt(map: BpfMap, key: Buffer): AuditCounts {
  const cpus = possibleCpus()
  const values = map.lookup(key, AuditedLayout.bytes * cpus)
  const sum = (what: number) => {
    let total = 0n
    for (let cpu = 0; values && cpu < cpus; cpu++)
      total += values.readBigUInt64LE(cpu * AuditedLayout.bytes + 8 * what)
    return Number(total)
  }
  return {
    allowed: sum(AuditWhat.AUDIT_ALLOWED),
    refused: sum(AuditWhat.AUDIT_REFUSED),
    unread: sum(AuditWhat.AUDIT_UNREAD),
  }
}

/** A rule that stands in several generations has those of all. */
function samples(pins: Pins): Map<string, AuditSample[]> {
  const { audit, seen } = AuditSampleLayout.fields
  const now = process.hrtime.bigint()
  const found = new Map<string, AuditSample[]>()
  withMap(pins.map('audit_samples'), (map) => {
    for (const { count, values, valueBytes } of batches(map, 4, SAMPLES)) {
      for (let entry = 0; entry < count; entry++) {
        const at = entry * valueBytes
        const sample = decodeAuditSample(values.subarray(at + seen.at, at + seen.at + seen.bytes), now)
        if (sample === undefined) continue
        const id = String(values.readBigUInt64LE(at + audit.at))
        found.set(id, [...(found.get(id) ?? []), sample])
      }
    }
  })
  for (const samples of found.values()) samples.sort((a, b) => a.agoMs - b.agoMs)
  return found
}

function keep(pins: Pins, ids: ReadonlySet<string>): void {
  withMap(pins.map('audits'), (map) => {
    for (const key of keysOf(map)) {
      const id = key.readBigUInt64LE()
      if (!ids.has(String(id))) map.delete(u64(id))
    }
  })
}
