/**
 * What nodes tell each other of their workloads, and how much of it is believed: a node speaks for the
 * addresses and labels that it was enrolled for, and for nothing else (an attacker who has one node gets
 * no more of the fleet's traffic than was that node's to serve).
 */
import { z } from 'zod'
import { NodeName } from '../contract/release.ts'
import { parseAddress, parsePrefix, prefixContains } from '../policy/address.ts'
import { Workload, Zone } from '../policy/model.ts'
import { addressKey } from './nearest.ts'
import type { PlacedWorkload } from './resolve.ts'

/** Workloads that one node may tell of: sixty-four such nodes have as many label sets as a kernel has room for. */
const MAX_WORKLOADS = 256
/** Addresses of all of them: the kernel has room for sixty-four such nodes. */
const MAX_ADDRESSES = 1_024
/** Bytes of one announcement on the wire, below what the bus lets through. */
export const MAX_ANNOUNCEMENT_BYTES = 196_608

const Labels = z
  .record(z.string().regex(/^[\w./-]{1,317}$/), z.string().max(256))
  .refine((labels) => Object.keys(labels).length <= 64, 'more than 64 labels')

const AnnouncedWorkload = z.strictObject({
  name: Workload.shape.name,
  namespace: Workload.shape.namespace,
  labels: Labels,
  addresses: z.array(z.string().max(45)).min(1).max(64),
})
export type AnnouncedWorkload = z.infer<typeof AnnouncedWorkload>

/** `sequence` only grows: what is older than what was heard says nothing. */
export const Announcement = z.strictObject({
  schema: z.literal('heddle.announcement/1'),
  node: NodeName,
  zone: Zone.nullable(),
  sequence: z.int().min(1),
  workloads: z
    .array(AnnouncedWorkload)
    .max(MAX_WORKLOADS)
    .refine(
      (workloads) => workloads.reduce((sum, { addresses }) => sum + addresses.length, 0) <= MAX_ADDRESSES,
      `more than ${MAX_ADDRESSES} addresses`,
    ),
})
export type Announcement = z.infer<typeof Announcement>

const Range = z.string().refine((text) => parsePrefix(text) !== undefined, 'no address range')

/** `namespace: null` = any; all of `labels` must be there, others may. */
const Speaks = z.strictObject({ namespace: z.string().min(1).nullable(), labels: Labels.default({}) })

/**
 * What a node was enrolled for. Without ranges it speaks for no address; inside of them, unless it says
 * otherwise, for every namespace and label.
 */
export const Member = z.strictObject({
  node: NodeName,
  ranges: z.array(Range).max(64).default([]),
  workloads: z
    .array(Speaks)
    .max(256)
    .default([{ namespace: null, labels: {} }]),
})
export type Member = z.infer<typeof Member>

export const Members = z.strictObject({
  schema: z.literal('heddle.members/1'),
  members: z
    .array(Member)
    .max(16_384)
    .refine((members) => new Set(members.map(({ node }) => node)).size === members.length, {
      message: 'a node is there twice',
    }),
})

/** Every node has its own: what leads there never leads to another node. */
const NOBODYS = [
  '0.0.0.0/8',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '224.0.0.0/3',
  '::/127',
  'fe80::/10',
  'ff00::/8',
]

export type Refusal = { workload: string; why: string }
export type Judged = { accepted: PlacedWorkload[]; refused: Refusal[] }

/** What of an announcement is believed; `member` undefined = nobody enrolled that node. */
export function judge({ node, zone, workloads }: Announcement, member: Member | undefined): Judged {
  const judged: Judged = { accepted: [], refused: [] }
  const seen = new Set<string>()
  for (const workload of workloads) {
    const name = `${workload.namespace}/${workload.name}`
    const keys = [name, ...workload.addresses.map(addressKey)]
    const twice = keys.find((key) => seen.has(key))
    const why = member === undefined ? 'the node is no member' : objection(workload, member)
    if (why !== undefined) judged.refused.push({ workload: name, why })
    else if (twice !== undefined)
      judged.refused.push({ workload: name, why: 'its name or address is there twice' })
    else {
      for (const key of keys) seen.add(key)
      judged.accepted.push({ ...workload, mode: 'auto', node, ...(zone === null ? {} : { zone }) })
    }
  }
  return judged
}

function objection({ namespace, labels, addresses }: AnnouncedWorkload, member: Member): string | undefined {
  const outside = addresses.find((text) => !contained(text, member.ranges) || contained(text, NOBODYS))
  if (outside !== undefined) return `${outside} is in no range of the node`
  const speaks = member.workloads.some(
    (each) =>
      (each.namespace === null || each.namespace === namespace) &&
      Object.entries(each.labels).every(([key, value]) => labels[key] === value),
  )
  return speaks ? undefined : `the node does not speak for these labels in namespace ${namespace}`
}

function contained(text: string, ranges: readonly string[]): boolean {
  const address = parseAddress(text)
  if (address === undefined) return false
  return ranges.some((range) => {
    const prefix = parsePrefix(range)
    return prefix !== undefined && prefixContains(prefix, address)
  })
}

/**
 * An address belongs to one node: to the one that was there first, until it says that it has it no more
 * or is gone. `judged` in the order in which the nodes came. Delete before reuse.
 */
export function withoutStolen(judged: readonly Judged[]): Judged[] {
  const owners = new Set<string>()
  return judged.map(({ accepted, refused }) => {
    const stolen = accepted.filter(({ addresses }) => addresses.some((text) => owners.has(addressKey(text))))
    const kept = accepted.filter((workload) => !stolen.includes(workload))
    for (const { addresses } of kept) for (const text of addresses) owners.add(addressKey(text))
    const why = 'another node has the address'
    const more = stolen.map(({ namespace, name }) => ({ workload: `${namespace}/${name}`, why }))
    return { accepted: kept, refused: [...refused, ...more] }
  })
}
