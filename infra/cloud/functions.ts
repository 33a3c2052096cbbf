/**
 * The cloud's functions as data: what wakes each, and all that it may touch. The bundles, the stacks with
 * their roles, and the tests are made from this one table, so that a grant has one place.
 */
import type { StageName } from '../../pipelines/contract/events.ts'
import { deadKey, HEAD_KEY, metadataKey, PREFIXES, statusKey } from '../../pipelines/contract/object-keys.ts'
import { DELIVERY } from '../../pipelines/delivery.ts'
import type { KeyName } from './environment.ts'

/** `dead`: every dead-letter queue. */
export type Trigger =
  | { kind: 'http' }
  | { kind: 'queue'; stage: StageName }
  | { kind: 'schedule'; minutes: number }
  | { kind: 'dead' }

export type CloudFunction = {
  trigger: Trigger
  timeoutMs: number
  memoryMb: number
  /** KMS keys: to sign with, or to open what is sealed. */
  keys: readonly KeyName[]
  /** Stages whose queue it may write. */
  sends: readonly StageName[]
  /** Objects by patterns of their keys, as IAM knows them. Nobody deletes. */
  reads: readonly string[]
  writes: readonly string[]
  asksForge: boolean
  readsDeployment: boolean
  /** Programs of functions/adapters that it starts as children of its own. */
  programs: readonly string[]
}

const BLOBS = `${PREFIXES.blobs}*`
const LOG = `${PREFIXES.log}*`
const STATUSES = statusKey('*')
const PLANS = `${PREFIXES.plans}*`
const METADATA = `${PREFIXES.tuf}*`
/** Nobody online writes roots, targets or code, so nobody online can put a file in the way of the next one. */
const FRESHNESS = [metadataKey('*.snapshot.json'), metadataKey('timestamp.json')]
const listedBy = (role: 'policy' | 'release') => [
  metadataKey(`*.${role}.json`),
  metadataKey(`targets/${role}/*`),
]

/** Milliseconds: a webhook is to be answered within 10 s. */
const WEBHOOK_MS = 10_000
const MINUTE_MS = 60_000
const SMALL_MB = 512
/** A child with a heap of 1 GB beside it. */
const LARGE_MB = 2048

const stage = (name: StageName): Pick<CloudFunction, 'trigger' | 'timeoutMs' | 'programs' | 'asksForge'> => ({
  trigger: { kind: 'queue', stage: name },
  timeoutMs: DELIVERY[name].timeoutMs,
  programs: [],
  asksForge: false,
})

export const FUNCTIONS = {
  receive: {
    trigger: { kind: 'http' },
    timeoutMs: WEBHOOK_MS,
    memoryMb: SMALL_MB,
    keys: ['webhook'],
    sends: ['validate'],
    reads: [],
    writes: [],
    asksForge: true,
    readsDeployment: true,
    programs: [],
  },
  validate: {
    ...stage('validate'),
    memoryMb: LARGE_MB,
    keys: [],
    sends: ['compile'],
    reads: [STATUSES, HEAD_KEY],
    writes: [BLOBS, STATUSES, HEAD_KEY],
    asksForge: true,
    readsDeployment: true,
    programs: ['policy-reader-program'],
  },
  compile: {
    ...stage('compile'),
    memoryMb: LARGE_MB,
    keys: [],
    sends: ['sign'],
    reads: [BLOBS, STATUSES],
    writes: [BLOBS, STATUSES],
    readsDeployment: false,
    programs: ['table-builder-program'],
  },
  sign: {
    ...stage('sign'),
    memoryMb: SMALL_MB,
    keys: ['policy'],
    sends: ['publish'],
    reads: [BLOBS, STATUSES],
    writes: [BLOBS, STATUSES],
    readsDeployment: true,
  },
  publish: {
    ...stage('publish'),
    memoryMb: SMALL_MB,
    keys: ['policy', 'snapshot', 'timestamp', 'log'],
    sends: ['rollout'],
    reads: [BLOBS, METADATA, LOG, STATUSES],
    // A proof is a blob.
    writes: [BLOBS, ...listedBy('policy'), ...FRESHNESS, LOG, STATUSES],
    readsDeployment: true,
  },
  rollout: {
    ...stage('rollout'),
    memoryMb: SMALL_MB,
    keys: ['release', 'snapshot', 'timestamp'],
    sends: ['rollout'],
    reads: [METADATA, STATUSES, `${PREFIXES.rollout}*`],
    writes: [...listedBy('release'), ...FRESHNESS, STATUSES, `${PREFIXES.rollout}*`],
    asksForge: true,
    readsDeployment: true,
  },
  // A repository without pull requests has none to plan, and nowhere to post to.
  plan: {
    ...stage('plan'),
    memoryMb: LARGE_MB,
    keys: [],
    sends: ['post'],
    reads: [BLOBS, PLANS],
    writes: [PLANS],
    readsDeployment: false,
    programs: ['table-builder-program'],
  },
  post: {
    ...stage('post'),
    memoryMb: SMALL_MB,
    keys: [],
    sends: [],
    reads: [STATUSES, PLANS],
    writes: [],
    readsDeployment: false,
  },
  reconcile: {
    trigger: { kind: 'schedule', minutes: 1 },
    timeoutMs: MINUTE_MS,
    memoryMb: SMALL_MB,
    keys: [],
    sends: ['rollout', 'validate'],
    reads: [STATUSES],
    writes: [],
    asksForge: true,
    readsDeployment: true,
    programs: [],
  },
  refresh: {
    trigger: { kind: 'schedule', minutes: 60 },
    timeoutMs: MINUTE_MS,
    memoryMb: SMALL_MB,
    keys: ['policy', 'snapshot', 'timestamp'],
    sends: [],
    reads: [METADATA],
    // It signs again what is listed, and lists nothing.
    writes: [metadataKey('*.policy.json'), ...FRESHNESS],
    asksForge: false,
    readsDeployment: true,
    programs: [],
  },
  bury: {
    trigger: { kind: 'dead' },
    timeoutMs: MINUTE_MS,
    memoryMb: SMALL_MB,
    keys: [],
    sends: [],
    reads: [STATUSES],
    writes: [STATUSES, deadKey('*', '*')],
    asksForge: false,
    readsDeployment: false,
    programs: [],
  },
} as const satisfies Record<string, CloudFunction>

export type FunctionName = keyof typeof FUNCTIONS

export const functionsByName = (): [FunctionName, CloudFunction][] =>
  Object.entries(FUNCTIONS) as [FunctionName, CloudFunction][]
