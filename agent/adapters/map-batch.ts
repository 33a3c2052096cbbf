/** A whole map in a few system calls: asking for each of 65,536 places takes longer than a pass may. */
import koffi from 'koffi'
import { BpfError } from './bpf-error.ts'
import { type BpfMap, u32 } from './libbpf.ts'

const libbpf = koffi.load('libbpf.so.1')
const lookupBatch = libbpf.func(
  'int bpf_map_lookup_batch(int fd, void *from, _Out_ void *next, _Out_ void *keys, _Out_ void *values, _Inout_ uint32_t *count, void *options)',
)

const ENOENT = 2
/** Entries a call. The kernel refuses one that is smaller than a bucket of a hash: they are short. */
const BATCH = 4096

/** `bytes` as the kernel has it: of the ABI before ours or after it values are shorter or longer. */
export type Entries = { count: number; keys: Buffer; values: Buffer; valueBytes: number }

/**
 * Batches of at most 4,096 entries, valid until the next one is asked for; at most `limit` entries in all. One that
 * is changed meanwhile may be missing or there twice.
 */
export function* batches(map: BpfMap, keyBytes: number, limit: number): Generator<Entries> {
  const { valueBytes } = map
  const keys = Buffer.alloc(BATCH * keyBytes)
  const values = Buffer.alloc(BATCH * valueBytes)
  // A cursor of a hash is a bucket's number, whatever its keys are.
  const cursorBytes = Math.max(keyBytes, 4)
  let from: Buffer | null = null
  for (let read = 0; read < limit; ) {
    const next = Buffer.alloc(cursorBytes)
    const count = u32(BATCH)
    const result = lookupBatch(map.fd, from, next, keys, values, count, null) as number
    if (result < 0 && result !== -ENOENT) throw new BpfError('bpf_map_lookup_batch', -result)
    const found = count.readUInt32LE()
    if (found > 0) yield { count: found, keys, values, valueBytes }
    if (result === -ENOENT) return
    read += found
    from = next
  }
}
