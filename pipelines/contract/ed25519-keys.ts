/**
 * Ed25519 public keys that must not be enrolled. Every message fits a key of small order, so OpenSSL
 * 3.0, and with it node:crypto of Node 20, verifies forged signatures under them; OpenSSL 3.5 does not.
 * Source: RFC 8032 5.1.3 (decoding), https://eprint.iacr.org/2020/1244 (Taming the many EdDSAs).
 */

const ED25519_KEY_BYTES = 32
const FIELD = 2n ** 255n - 19n
/** y of a point of order eight; its negative is the other one. */
const ORDER_EIGHT = 0x05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826n
/** The y coordinates of all eight points of small order, whatever their sign bit. */
const SMALL_ORDER = new Set([0n, 1n, FIELD - 1n, ORDER_EIGHT, FIELD - ORDER_EIGHT])

/** True for a key that is a point of small order or not in its one canonical encoding. */
export function isWeakEd25519Key(key: Uint8Array): boolean {
  if (key.length !== ED25519_KEY_BYTES) return true
  let y = 0n
  for (let index = ED25519_KEY_BYTES - 1; index >= 0; index--) y = (y << 8n) | BigInt(key[index] ?? 0)
  y &= 2n ** 255n - 1n
  return y >= FIELD || SMALL_ORDER.has(y)
}
