/**
 * DSSE envelopes: a payload, its type, and signatures over both.
 *
 * Pure: whoever signs or verifies passes the crypto in. The signature covers the
 * pre-authentication encoding, so a payload signed as one type never verifies
 * as another (payload-type confusion).
 * Source: https://github.com/secure-systems-lab/dsse/blob/v1.0.2/protocol.md
 */
import { z } from 'zod'

/** Every type of payload that Heddle signs. A reader names the one it expects. */
export const PAYLOAD_TYPES = {
  provenance: 'application/vnd.in-toto+json',
  ringSuccess: 'application/vnd.heddle.ring-success+json',
  /** The director's own memory: it lies in a store that others may write to. */
  rollout: 'application/vnd.heddle.rollout+json',
  rolloutEnd: 'application/vnd.heddle.rollout-end+json',
  denials: 'application/vnd.heddle.denials+json',
  /** An operator's: promote, pause, stop … */
  command: 'application/vnd.heddle.command+json',
} as const
export type PayloadType = (typeof PAYLOAD_TYPES)[keyof typeof PAYLOAD_TYPES]

/** Bytes of an envelope's JSON; a reader never takes more from the store. */
export const MAX_ENVELOPE_BYTES = 262_144
/** Signatures looked at; the rest of a longer list would only cost time. */
const MAX_SIGNATURES = 16

export const Envelope = z.strictObject({
  payloadType: z.string().max(256),
  payload: z.base64(),
  signatures: z
    .array(z.strictObject({ keyid: z.string().max(256), sig: z.base64() }))
    .min(1)
    .max(MAX_SIGNATURES),
})
export type Envelope = z.infer<typeof Envelope>

export type DsseSignature = { keyid: string; sig: Uint8Array }
export type Opened = { ok: true; payload: Uint8Array } | { ok: false; why: string }

/** PAE(type, body) = "DSSEv1" SP LEN(type) SP type SP LEN(body) SP body; lengths in decimal bytes. */
export function pae(payloadType: PayloadType, payload: Uint8Array): Uint8Array {
  const head = ascii(`DSSEv1 ${payloadType.length} ${payloadType} ${payload.length} `)
  const message = new Uint8Array(head.length + payload.length)
  message.set(head)
  message.set(payload, head.length)
  return message
}

/** Envelope around payload; `sign` gets the PAE bytes. */
export function seal(
  payloadType: PayloadType,
  payload: Uint8Array,
  sign: (message: Uint8Array) => DsseSignature[],
): Envelope {
  const signatures = sign(pae(payloadType, payload))
  return {
    payloadType,
    payload: toBase64(payload),
    signatures: signatures.map(({ keyid, sig }) => ({ keyid, sig: toBase64(sig) })),
  }
}

/**
 * Verify an envelope and give its payload. `verify` says whether key `keyid`,
 * one of those trusted for this role, signed the message. `threshold` counts
 * distinct keys: one key that signs twice counts once.
 */
export function open(
  envelope: unknown,
  expected: { payloadType: PayloadType; threshold: number },
  verify: (keyid: string, message: Uint8Array, signature: Uint8Array) => boolean,
): Opened {
  const parsed = Envelope.safeParse(envelope)
  if (!parsed.success) return { ok: false, why: 'not a DSSE envelope' }
  const { payloadType, payload, signatures } = parsed.data
  if (payloadType !== expected.payloadType) {
    return { ok: false, why: `payload type is ${payloadType}, expected ${expected.payloadType}` }
  }
  const body = fromBase64(payload)
  const message = pae(expected.payloadType, body)
  const signers = new Set<string>()
  for (const { keyid, sig } of signatures) {
    if (!signers.has(keyid) && verify(keyid, message, fromBase64(sig))) signers.add(keyid)
  }
  if (expected.threshold < 1 || signers.size < expected.threshold) {
    return { ok: false, why: `signed by ${signers.size} of ${expected.threshold} trusted keys` }
  }
  return { ok: true, payload: body }
}

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'

/** RFC 4648 section 4, padded. */
export function toBase64(bytes: Uint8Array): string {
  let text = ''
  for (let at = 0; at < bytes.length; at += 3) {
    const group = ((bytes[at] ?? 0) << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0)
    const rest = bytes.length - at
    text += ALPHABET.charAt(group >> 18) + ALPHABET.charAt((group >> 12) & 63)
    text += rest > 1 ? ALPHABET.charAt((group >> 6) & 63) : '='
    text += rest > 2 ? ALPHABET.charAt(group & 63) : '='
  }
  return text
}

/** Inverse of toBase64 for text that a schema has accepted as padded base64. */
export function fromBase64(text: string): Uint8Array {
  const body = text.replace(/=+$/, '')
  const bytes = new Uint8Array(Math.floor((body.length * 3) / 4))
  let group = 0
  let bits = 0
  let at = 0
  for (const letter of body) {
    group = ((group << 6) | ALPHABET.indexOf(letter)) & 0xffff
    bits += 6
    if (bits >= 8) {
      bits -= 8
      bytes[at++] = (group >> bits) & 0xff
    }
  }
  return bytes
}

function ascii(text: string): Uint8Array {
  return Uint8Array.from(text, (letter) => letter.charCodeAt(0))
}
