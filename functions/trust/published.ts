/** What the timestamp leads to, as it lies in the store: read to be looked at, never to be trusted. */
import { Metadata, MetadataKind, type Snapshot, type Targets, type Timestamp } from '@tufjs/models'
import { DELEGATED_ROLES, metadataKey } from '../../pipelines/contract/object-keys.ts'
import type { ObjectStore } from '../ports.ts'
import { decode, MAX_METADATA_BYTES } from './metadata.ts'
import type { RoleName } from './roles.ts'

export type Published = {
  timestamp?: Metadata<Timestamp>
  snapshot?: Metadata<Snapshot>
} & Partial<Record<Exclude<RoleName, 'root' | 'timestamp' | 'snapshot'>, Metadata<Targets>>>

/** What is missing is left out. Throws Failure('metadata-untrusted') for what is no metadata at all. */
export async function readPublished(store: ObjectStore): Promise<Published> {
  const published: Published = {}
  const timestamp = await read(store, 'timestamp.json')
  if (timestamp === undefined) return published
  published.timestamp = decode(timestamp, (data) => Metadata.fromJSON(MetadataKind.Timestamp, data))
  const { version } = published.timestamp.signed.snapshotMeta
  const snapshot = await read(store, `${version}.snapshot.json`)
  if (snapshot === undefined) return published
  published.snapshot = decode(snapshot, (data) => Metadata.fromJSON(MetadataKind.Snapshot, data))
  for (const role of ['targets', ...DELEGATED_ROLES] as const) {
    const meta = published.snapshot.signed.meta[`${role}.json`]
    const bytes = meta && (await read(store, `${meta.version}.${role}.json`))
    if (bytes !== undefined)
      published[role] = decode(bytes, (data) => Metadata.fromJSON(MetadataKind.Targets, data))
  }
  return published
}

async function read(store: ObjectStore, file: string): Promise<Uint8Array | undefined> {
  return (await store.get(metadataKey(file), MAX_METADATA_BYTES))?.bytes
}
