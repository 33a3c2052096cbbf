/**
 * tuf-js's client workflow over files in memory. It reads and writes single files of a folder, in
 * place and one by one, where a node keeps its metadata as a whole (kept-metadata.ts): a folder would
 * be written before and read after each look, some 20 operations on the disk of which nothing is kept.
 */
import type { TargetFile } from '@tufjs/models'
import { Updater } from 'tuf-js'
import type { TrustedMetadataStore } from 'tuf-js/dist/store.js'

type Options = Omit<ConstructorParameters<typeof Updater>[0], 'metadataDir'>

/** The parts of tuf-js that Heddle uses; it declares some of them private, and 5.0.1 is pinned. */
export type Client = {
  trustedSet: TrustedMetadataStore
  refresh(): Promise<void>
  getTargetInfo(path: string): Promise<TargetFile | undefined>
  loadTargets(role: string, parent: string): Promise<unknown>
}
type Construct = new (options: Options & { metadataDir: string }) => Client

/** `files`: role → raw JSON; what is verified is written into it. */
export function memoryUpdater(files: Record<string, string>, options: Options): Client {
  class MemoryUpdater extends (Updater as unknown as Construct) {
    /** Called while the parent is made, too. Throwing means: to be fetched. */
    loadLocalMetadata(role: string): Buffer {
      const text = Object.hasOwn(files, role) ? files[role] : undefined
      if (text === undefined) throw new Error(`no ${role} metadata is kept`)
      return Buffer.from(text)
    }

    persistMetadata(role: string, bytes: Buffer): void {
      files[role] = bytes.toString('utf8')
    }
  }
  return new MemoryUpdater({ ...options, metadataDir: 'memory' })
}
