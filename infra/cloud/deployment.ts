/**
 * What one deployment is told, in one file that no secret is in: read by the CDK app when it makes the
 * stacks, and by every function, beside whose code it lies.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { LOG_KEY, ONLINE_ROLES } from '../../functions/trust/roles.ts'
import { HostConfig } from '../local/host-config.ts'

/** Beside a function's code: this file, and the root of trust that `heddle trust init` wrote. */
export const SETTINGS_FILE = 'deployment.json'
export const ROOT_FILE = 'root.json'

/** Bytes of an Ed25519 public key. */
const PUBLIC_KEY_BYTES = 32

const Base64 = z.base64().transform((text) => new Uint8Array(Buffer.from(text, 'base64')))
const PublicKey = Base64.refine((bytes) => bytes.length === PUBLIC_KEY_BYTES, 'an Ed25519 key has 32 bytes')

/** Roles whose statements outgrow what KMS signs: their keys lie here, sealed under a KMS key of their own. */
export const SEALED_ROLES = ['policy', 'release'] as const
/** Whatever the functions sign with: the online roles, and the log, which is none. */
export const SIGNERS = [...ONLINE_ROLES, LOG_KEY] as const
export type SignerName = (typeof SIGNERS)[number]
/** What lies here as a ciphertext of KMS. `webhook`: the active webhook secrets, one a line, newest first. */
export const SEALED_PURPOSES = [...SEALED_ROLES, 'webhook'] as const
export type SealedPurpose = (typeof SEALED_PURPOSES)[number]

/** The fleet, and how it is rolled out to: as on one machine. */
const PLAN = HostConfig.pick({
  nodes: true,
  rings: true,
  soakMs: true,
  gates: true,
  freezes: true,
  blastRadius: true,
}).shape

export const Deployment = z.strictObject({
  repository: z.strictObject({ name: z.string(), branch: z.string() }),
  builderId: z.url(),
  ...PLAN,
  /** Who may promote, pause, stop … */
  operators: z.array(z.strictObject({ name: z.string(), publicKey: PublicKey })).default([]),
  publicKeys: z.strictObject(
    Object.fromEntries(SIGNERS.map((name) => [name, PublicKey])) as Record<SignerName, typeof PublicKey>,
  ),
  sealed: z.strictObject({ policy: Base64, release: Base64, webhook: Base64 } satisfies Record<
    SealedPurpose,
    typeof Base64
  >),
})
export type Deployment = z.infer<typeof Deployment>

/** Throws on anything unknown or missing. */
export function readDeployment(directory: string): Deployment {
  return Deployment.parse(JSON.parse(readFileSync(join(directory, SETTINGS_FILE), 'utf8')))
}

/** What lies in the bucket is verified from this one, which was deployed with the code. */
export function readTrustedRoot(directory: string): Uint8Array {
  return new Uint8Array(readFileSync(join(directory, ROOT_FILE)))
}
