/** Names in the object store and in the TUF repository. Readers never list. */
import { z } from 'zod'
import { Digest } from './artifact.ts'

/** Every key begins with one of these, and who may read or write which is said by them (infra/cloud). */
export const PREFIXES = {
  blobs: 'blobs/',
  tuf: 'tuf/',
  statuses: 'statuses/',
  rollout: 'rollout/',
  log: 'log/',
  /** Which head was delivered last. */
  delivery: 'delivery/',
  plans: 'plans/',
  /** Events that were given up, for a person to look at. */
  dead: 'dead/',
} as const

/** No dots first, no empty parts: a key can't leave a directory or meet a store's own files. */
const KEY = /^[A-Za-z0-9][A-Za-z0-9._-]*(\/[A-Za-z0-9][A-Za-z0-9._-]*)*$/
const MAX_KEY_LENGTH = 512

export const isObjectKey = (key: string): boolean => key.length <= MAX_KEY_LENGTH && KEY.test(key)

/** Content-addressed and create-only: ELFs, manifests, provenance envelopes. */
export function blobKey(digest: Digest): string {
  return `${PREFIXES.blobs}sha256/${hexOf(digest)}`
}

/** What people see of a commit, changed by compare-and-swap. */
export function statusKey(commit: string): string {
  return `${PREFIXES.statuses}${commit}.json`
}

export function deadKey(stage: string, id: string): string {
  return `${PREFIXES.dead}${stage}/${id}.json`
}

/** Compare-and-swap pointers: the head that was delivered last, and the newest plan of a pull request. */
export const HEAD_KEY = `${PREFIXES.delivery}head.json`
export const planKey = (pull: number): string => `${PREFIXES.plans}${pull}.json`

/** TUF metadata by file name: `timestamp.json`, `3.release.json`. */
export function metadataKey(fileName: string): string {
  return `${PREFIXES.tuf}${fileName}`
}

/**
 * A TUF target file, consistent snapshots: the digest goes before the base name
 * (TUF 1.0.31, 6.2), so `release/canary.json` lies at
 * `tuf/targets/release/<sha256>.canary.json`.
 */
export function targetKey(path: string, sha256: string): string {
  const slash = path.lastIndexOf('/') + 1
  return `${PREFIXES.tuf}targets/${path.slice(0, slash)}${sha256}.${path.slice(slash)}`
}

/** How a rollout ended: create-only, signed by the director (DSSE). */
export const rolloutEndKey = (number: number, outcome: string): string =>
  `rollout/ended/${number}-${outcome}.json`

/** Target paths: which role speaks is the first segment. */
export const releaseTarget = (ring: string): string => `release/${ring}.json`
export const shadowTarget = (ring: string): string => `release/${ring}.shadow.json`
export const successTarget = (ring: string): string => `release/${ring}.success.json`
export const DENIALS_TARGET = 'release/denied.json'
export const policyTarget = (artifact: Digest): string => `policy/${hexOf(artifact)}.json`
export const codeTarget = (variant: string): string => `code/${variant}.json`
export const DISPATCHER_TARGET = 'code/dispatcher.o'

/** Delegated roles of the top-level targets role; nothing delegates further. */
export const DELEGATED_ROLES = ['code', 'policy', 'release'] as const
export type DelegatedRoleName = (typeof DELEGATED_ROLES)[number]

/** Content of `code/<variant>.json`. */
export const CodeTarget = z.strictObject({ variant: z.string(), digest: Digest })
export type CodeTarget = z.infer<typeof CodeTarget>

/** `custom` of `policy/<hex>.json`: what a rollout must know before it chooses. */
export const PolicyCustom = z.looseObject({
  abi: z.int(),
  kernel: z.string(),
  commit: z.string(),
  /** Digest of the DSSE provenance envelope, which lies among the blobs. */
  provenance: Digest,
  /** Digest of the tlog-proof, which lies there too; missing = published before there was a log. */
  proof: Digest.optional(),
})
export type PolicyCustom = z.infer<typeof PolicyCustom>

/** Who is a member of the bus: signed by who enrols, read by who renews. */
export const BUS_MEMBERS_KEY = 'bus/members.jwt'
/** What a node shows to the bus; of no use to anybody who has not the node's keys. */
export const busJwtKey = (node: string): string => `bus/${node}.jwt`
export const busCertificateKey = (node: string): string => `bus/${node}.pem`

export function hexOf(digest: Digest): string {
  return digest.slice('sha256:'.length)
}
