/** 32-bit hashes that the kernel's programs have too (bpf/programs/parts/balance.h). */

/** MurmurHash3's finalizer: spreads what differs little over all bits. */
export function hashNumber(number: number): number {
  let x = number >>> 0
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b)
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35)
  return (x ^ (x >>> 16)) >>> 0
}

/** FNV-1a over the bytes of a text of latin-1, finalized. */
export function hashText(text: string, seed = 0): number {
  let hash = 0x811c9dc5 ^ seed
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ (text.charCodeAt(i) & 255), 0x01000193)
  return hashNumber(hash)
}
