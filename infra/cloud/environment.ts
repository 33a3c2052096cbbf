/** A function's environment: which store, queues and keys are its own. The CDK app writes it, the parts read it. */
import { z } from 'zod'
import type { StageName } from '../../pipelines/contract/events.ts'
import type { SealedPurpose, SignerName } from './deployment.ts'

/** Whatever KMS does for a function: sign, or open what is sealed. */
export type KeyName = SignerName | SealedPurpose

export const ENVIRONMENT = {
  /** `s3://<bucket>`, or `file://<directory>` where it runs outside of AWS. */
  store: 'HEDDLE_STORE',
  /** `file://<bare repository>`. */
  forge: 'HEDDLE_FORGE',
  /** Directory with `deployment.json` and `root.json`. */
  settings: 'HEDDLE_SETTINGS',
  /** Directory with bpf/, and the one that keeps what clang made of it. */
  sources: 'HEDDLE_SOURCES',
  texts: 'HEDDLE_TEXTS',
} as const

/** URL of the queue of a stage that the function sends to. */
export const queueVariable = (stage: StageName): string => `HEDDLE_QUEUE_${stage.toUpperCase()}`
/** ARN of a KMS key that the function may use. */
export const keyVariable = (name: KeyName): string => `HEDDLE_KEY_${name.toUpperCase()}`

/** Where a function lives. `variables` is process.env, read nowhere but through here. */
export type Variables = Readonly<Record<string, string | undefined>>

/** Throws when the variable is not set. */
export function need(variables: Variables, name: string): string {
  const value = variables[name]
  if (value === undefined || value === '') throw new Error(`${name} is not set`)
  return value
}

const Location = z.templateLiteral([z.enum(['s3', 'file']), '://', z.string().min(1)])

/** `file:///a/b` → file and /a/b. Throws on any other form. */
export function locationOf(variables: Variables, name: string): { kind: 's3' | 'file'; place: string } {
  const [kind, place = ''] = Location.parse(need(variables, name)).split('://')
  return { kind: kind === 's3' ? 's3' : 'file', place }
}
