/** Live maps filled to their last entry, for what happens to the next one. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { BpfMap } from '../../../agent/adapters/libbpf.ts'

/** Fills the room that is left with keys from the top of the number space: no cookie or address of a test. */
export function fillUp(map: BpfMap, capacity: number, keyBytes: number, value: Uint8Array): Buffer[] {
  const used = [...map.keys(keyBytes, capacity)].length
  const keys = Array.from({ length: capacity - used }, (_, i) => {
    const key = Buffer.alloc(keyBytes, 0xfe)
    key.writeUInt32LE(i, keyBytes - 4)
    return key
  })
  for (const key of keys) map.update(key, value)
  assert.throws(() => map.update(Buffer.alloc(keyBytes, 0xfd), value), /E2BIG|ENOSPC/)
  return keys
}

/** Sockets that one process may hold under a common limit of descriptors. */
const SOCKETS_EACH = 16_000

/** Returns what takes them out again. */
export async function fillSockets(path: string, sockets: number): Promise<() => Promise<void>> {
  const script = new URL('./socket-filler.js', import.meta.url).pathname
  const fillers: ChildProcess[] = []
  for (let at = 0; at < sockets; at += SOCKETS_EACH) {
    const here = Math.min(SOCKETS_EACH, sockets - at)
    const args = [script, path, String(2n ** 63n + BigInt(at)), String(here)]
    const filler = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] })
    fillers.push(filler)
    await Promise.race([once(filler.stdout, 'data'), once(filler, 'exit')])
    assert.equal(filler.exitCode, null, 'a filler ended')
  }
  return async () => {
    for (const filler of fillers) {
      const gone = once(filler, 'exit')
      filler.stdin?.end()
      await gone
    }
  }
}
