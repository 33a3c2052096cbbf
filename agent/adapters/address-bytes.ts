import { isIPv4, isIPv6 } from 'node:net'

/** 16 bytes in network order; IPv4 as ::ffff:a.b.c.d. Throws TypeError on anything else. */
export function addressBytes(address: string): Buffer {
  if (isIPv4(address)) {
    const mapped = Buffer.alloc(16)
    mapped.fill(0xff, 10, 12)
    mapped.set(address.split('.').map(Number), 12)
    return mapped
  }
  if (!isIPv6(address) || address.includes('%')) throw new TypeError(`not an IP address: ${address}`)
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(address)
  if (dotted) {
    const tail = addressBytes(dotted[2] ?? '').subarray(12)
    const hex = `${tail.readUInt16BE(0).toString(16)}:${tail.readUInt16BE(2).toString(16)}`
    return addressBytes(`${dotted[1]}${hex}`)
  }
  const [head = '', rest] = address.split('::')
  const left = head === '' ? [] : head.split(':')
  const right = rest === undefined || rest === '' ? [] : rest.split(':')
  const groups = [...left, ...Array(8 - left.length - right.length).fill('0'), ...right]
  const bytes = Buffer.alloc(16)
  for (const [i, group] of groups.entries()) bytes.writeUInt16BE(Number.parseInt(group, 16), 2 * i)
  return bytes
}

/** The names of the host itself, of which a workload may declare one for all of them. */
export const LOOPBACK_NAMES = [addressBytes('127.0.0.1'), addressBytes('::1')] as const

/** Is it IPv4, as ::ffff:a.b.c.d? */
export function isMapped4(address: Uint8Array): boolean {
  return address.subarray(0, 10).every((x) => x === 0) && address[10] === 0xff && address[11] === 0xff
}

/** 127.0.0.0/8 or ::1. */
export function isLoopback(address: Uint8Array): boolean {
  return isMapped4(address) ? address[12] === 127 : Buffer.from(address).equals(LOOPBACK_NAMES[1])
}

/** The other way: 16 bytes to text, mapped IPv4 in dotted form. */
export function addressText(bytes: Uint8Array): string {
  const b = Buffer.from(bytes)
  if (isMapped4(b)) return [...b.subarray(12)].join('.')
  const groups = Array.from({ length: 8 }, (_, i) => b.readUInt16BE(2 * i).toString(16))
  return groups.join(':')
}
