/** IP addresses and prefixes as bytes, strictly parsed: no leading zeros, no zone, no shorthand IPv4. */

/** 4 bytes (IPv4) or 16 bytes (IPv6), network order. */
export type Address = Uint8Array
/** `address` has its host bits cleared; `bits` is the prefix length. */
export type Prefix = { address: Address; bits: number }

const IPV4_PART = /^(0|[1-9]\d{0,2})$/
const IPV6_PART = /^[0-9a-fA-F]{1,4}$/
const IPV6_WORDS = 8
const MAPPED = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]

function parseV4(text: string): number[] | undefined {
  const parts = text.split('.')
  if (parts.length !== 4 || !parts.every((part) => IPV4_PART.test(part))) return undefined
  const bytes = parts.map(Number)
  return bytes.every((byte) => byte <= 255) ? bytes : undefined
}

/** Groups of one side of `::`, as bytes; the last group may be a dotted quad. */
function parseGroups(text: string): number[] | undefined {
  if (text === '') return []
  const bytes: number[] = []
  const groups = text.split(':')
  for (const [index, group] of groups.entries()) {
    if (index === groups.length - 1 && group.includes('.')) {
      const quad = parseV4(group)
      if (quad === undefined) return undefined
      bytes.push(...quad)
    } else {
      if (!IPV6_PART.test(group)) return undefined
      const word = Number.parseInt(group, 16)
      bytes.push(word >> 8, word & 0xff)
    }
  }
  return bytes
}

function parseV6(text: string): number[] | undefined {
  const sides = text.split('::')
  if (sides.length > 2) return undefined
  const head = parseGroups(sides[0] as string)
  if (head === undefined) return undefined
  if (sides.length === 1) return head.length === 2 * IPV6_WORDS ? head : undefined
  if ((sides[0] as string).includes('.')) return undefined
  const tail = parseGroups(sides[1] as string)
  // RFC 4291 2.2: `::` stands for one or more groups.
  if (tail === undefined || head.length + tail.length > 2 * IPV6_WORDS - 2) return undefined
  return [...head, ...new Array<number>(2 * IPV6_WORDS - head.length - tail.length).fill(0), ...tail]
}

/**
 * Bytes of an address, undefined when it is none. An IPv4-mapped IPv6 address
 * is the IPv4 address: the kernel tells us the peer of such a socket as IPv4.
 */
export function parseAddress(text: string): Address | undefined {
  if (!text.includes(':')) {
    const bytes = parseV4(text)
    return bytes && Uint8Array.from(bytes)
  }
  const bytes = parseV6(text)
  if (bytes === undefined) return undefined
  const mapped = MAPPED.every((byte, index) => bytes[index] === byte)
  return Uint8Array.from(mapped ? bytes.slice(12) : bytes)
}

/** A prefix `address/bits`, or an address as the prefix of just itself. Host bits are cleared. */
export function parsePrefix(text: string): Prefix | undefined {
  const slash = text.indexOf('/')
  const address = parseAddress(slash < 0 ? text : text.slice(0, slash))
  if (address === undefined) return undefined
  const width = address.length * 8
  if (slash < 0) return { address, bits: width }
  const length = text.slice(slash + 1)
  if (!IPV4_PART.test(length)) return undefined
  const mapped = text.includes(':') && address.length === 4
  const bits = Number(length) - (mapped ? 96 : 0)
  if (bits < 0 || bits > width) return undefined
  const cleared = address.map((byte, index) => {
    const kept = Math.min(8, Math.max(0, bits - index * 8))
    return byte & (0xff00 >> kept)
  })
  return { address: cleared, bits }
}

/** True when the address lies in the prefix; families never mix. */
export function prefixContains(prefix: Prefix, address: Address): boolean {
  if (prefix.address.length !== address.length) return false
  return prefix.address.every((byte, index) => {
    const kept = Math.min(8, Math.max(0, prefix.bits - index * 8))
    return ((byte ^ (address[index] as number)) & (0xff00 >> kept) & 0xff) === 0
  })
}

/** The one text of a prefix: lower case, no `::`, so that equal prefixes have equal models. */
export function prefixText({ address, bits }: Prefix): string {
  if (address.length === 4) return `${[...address].join('.')}/${bits}`
  const words: string[] = []
  for (let index = 0; index < address.length; index += 2) {
    words.push((((address[index] as number) << 8) | (address[index + 1] as number)).toString(16))
  }
  return `${words.join(':')}/${bits}`
}
