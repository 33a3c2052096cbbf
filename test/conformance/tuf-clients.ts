/** Two clients for the transcripts: tuf-js as our agent drives it, and our agent's whole way to trust. */
import { createHash } from 'node:crypto'
import type { TargetFile } from '@tufjs/models'
import type { Store } from '../../agent/ports.ts'
import { readTarget } from '../../agent/trust/content.ts'
import { type Bundle, openUpdater, refreshMetadata } from '../../agent/trust/metadata.ts'
import { checkRoot } from '../../agent/trust/pin.ts'
import { Failure } from '../../pipelines/contract/failures.ts'

/** Bytes of a target; those of the record are small. */
const MAX_TARGET_BYTES = 65_536

export type Client = {
  /** Trust begins here. */
  init(root: string): Promise<void>
  /** Bring metadata up to date, then take the targets. Throws what refused. */
  update(at: { store: Store; now: number; targets: readonly string[] }): Promise<void>
  /** Trusted metadata by the name of its file. */
  trusted(): Promise<Map<string, Buffer>>
  /** Path -> SHA-256 of what was taken. */
  artifacts: Map<string, string>
}

/** What is served, and what was asked for. */
export function servedStore(served: Map<string, Buffer>): { store: Store; requests: string[] } {
  const requests: string[] = []
  return {
    requests,
    store: {
      async get(key, maxBytes) {
        requests.push(key)
        const bytes = served.get(key.replace(/^tuf\/(?=targets\/)/, '').replace(/^tuf\//, 'metadata/'))
        if (bytes !== undefined && bytes.length > maxBytes) throw new Failure('store-too-large', key)
        return bytes
      },
    },
  }
}

/** tuf-js with our fetcher, limits and clock; targets by our reader. Any delegation, any kind of key. */
export function updaterClient(): Client {
  const files: Bundle = {}
  const client: Client = {
    artifacts: new Map(),
    async init(root) {
      files['root'] = root
    },
    async update({ store, now, targets }) {
      const nothing = () => {}
      const { updater } = openUpdater({ store, now }, files, nothing, nothing)
      await updater.refresh()
      for (const path of targets) {
        const target = await updater.getTargetInfo(path)
        if (target === undefined) throw new Failure('artifact-untrusted', `nobody has signed ${path}`)
        await take(client, target, store)
      }
    },
    async trusted() {
      return new Map(
        Object.entries(files).map(([role, text]) => [`${encodeURIComponent(role)}.json`, Buffer.from(text)]),
      )
    },
  }
  return client
}

/** The agent's: its pin, its refresh with every check of its own, its look-up of targets. */
export function agentClient(): Client {
  let bundle: Bundle = {}
  const client: Client = {
    artifacts: new Map(),
    async init(root) {
      checkRoot(root)
      bundle = { root }
    },
    async update({ store, now, targets }) {
      const refreshed = await refreshMetadata(bundle, { store, now })
      bundle = refreshed.bundle
      const { metadata } = refreshed
      if (metadata instanceof Failure) throw metadata
      for (const path of targets) {
        const target = metadata.target('policy', path)
        if (target === undefined) throw new Failure('artifact-untrusted', `nobody has signed ${path}`)
        await take(client, target, store)
      }
    },
    async trusted() {
      const current = Object.entries(bundle).filter(([role]) => !role.startsWith('root.'))
      return new Map(current.map(([role, text]) => [`${role}.json`, Buffer.from(text)]))
    },
  }
  return client
}

/** Takes a target unless its bytes are held, as the agent's cache does. */
async function take(client: Client, target: TargetFile, store: Store): Promise<void> {
  const wanted = target.hashes['sha256']
  if (wanted !== undefined && client.artifacts.get(target.path) === wanted) return
  const bytes = await readTarget(store, target, MAX_TARGET_BYTES)
  client.artifacts.set(target.path, createHash('sha256').update(bytes).digest('hex'))
}
