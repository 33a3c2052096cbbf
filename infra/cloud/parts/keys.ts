/** What a function may sign and open: only that of which it was told a key. */
import { KMSClient } from '@aws-sdk/client-kms'
import { kmsSealedSigner, kmsSigner, openSealed } from '../../../functions/adapters/kms-signer.ts'
import type { Signer } from '../../../functions/ports.ts'
import type { OnlineKeys } from '../../../functions/trust/roles.ts'
import { type Deployment, SEALED_ROLES, SIGNERS, type SealedPurpose, type SignerName } from '../deployment.ts'
import { keyVariable, need, type Variables } from '../environment.ts'
import { clientSettings } from './client-settings.ts'

const isSealed = (role: SignerName): role is (typeof SEALED_ROLES)[number] =>
  SEALED_ROLES.some((sealed) => sealed === role)

/** A role without a key here is another function's: it has no signer. */
export async function openKeys(variables: Variables, deployment: Deployment): Promise<OnlineKeys> {
  const kms = new KMSClient(clientSettings())
  const keys: Partial<OnlineKeys> = {}
  for (const role of SIGNERS) {
    const keyId = variables[keyVariable(role)]
    const signers = keyId === undefined ? [] : [await openSigner(kms, deployment, role, keyId)]
    keys[role] = { signers, threshold: 1 }
  }
  return keys as OnlineKeys
}

async function openSigner(
  kms: KMSClient,
  { publicKeys, sealed }: Deployment,
  role: SignerName,
  keyId: string,
): Promise<Signer> {
  if (!isSealed(role)) return kmsSigner(kms, keyId, publicKeys[role])
  return kmsSealedSigner(kms, { keyId, purpose: role, ciphertext: sealed[role] }, publicKeys[role])
}

/** A text of a line or more each, newest first: the lines that say something. */
export async function openLines(
  variables: Variables,
  deployment: Deployment,
  purpose: SealedPurpose,
): Promise<string[]> {
  const sealed = {
    keyId: need(variables, keyVariable(purpose)),
    purpose,
    ciphertext: deployment.sealed[purpose],
  }
  const text = Buffer.from(await openSealed(new KMSClient(clientSettings()), sealed)).toString('utf8')
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
}
