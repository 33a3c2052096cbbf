/**
 * Forge over GitHub's REST API: trees and blobs of a commit, with the limits of git-forge.ts. A blob is
 * believed when it hashes to its name, which the tree gives.
 */
import { createHash } from 'node:crypto'
import { z } from 'zod'
import { Failure } from '../../pipelines/contract/failures.ts'
import type { CommitFacts, Forge, RepositoryFile } from '../ports.ts'
import { commitDate } from './commit-date.ts'
import type { GithubClient } from './octokit-client.ts'
import {
  MAX_TOTAL_BYTES,
  POLICY_FOLDER,
  POLICY_ROOTS,
  type PolicyEntry,
  policyEntries,
} from './policy-entries.ts'

const COMMIT = /^[0-9a-f]{40}$|^[0-9a-f]{64}$/
/** Folders that are listed one by one where GitHub cuts a listing short. */
const MAX_FOLDERS = 1000
/** Blobs asked for at a time; GitHub wants fewer than 100 concurrent requests of an app. */
const AT_A_TIME = 8

const Oid = z.string().regex(COMMIT)
const Reference = z.object({ object: z.object({ type: z.string(), sha: Oid }) })
const Comparison = z.object({ status: z.enum(['ahead', 'behind', 'diverged', 'identical']) })
const Commit = z.object({
  sha: Oid,
  author: z.object({ name: z.string(), email: z.string() }),
  committer: z.object({ date: z.string() }),
  tree: z.object({ sha: Oid }),
})
const Entry = z.object({
  path: z.string(),
  mode: z.string(),
  type: z.string(),
  sha: Oid,
  size: z.int().optional(),
})
const Tree = z.object({ tree: z.array(Entry), truncated: z.boolean() })
type Entry = z.infer<typeof Entry>
const Blob = z.object({ content: z.string(), encoding: z.literal('base64') })

export function octokitForge(github: GithubClient): Forge {
  const kept = blobCache(MAX_TOTAL_BYTES)
  return {
    async head(branch) {
      const route = 'GET /repos/{owner}/{repo}/git/ref/{ref}'
      const found = await github.find(route, { ref: `heads/${branch}` }, Reference)
      if (found !== undefined) return found.object.sha
      // An app that was uninstalled is told the same as one whose branch was deleted.
      await github.ask('GET /repos/{owner}/{repo}', {}, z.object({ id: z.int() }))
      return undefined
    },
    async contains(commit, ancestor) {
      assertCommit(commit)
      assertCommit(ancestor)
      const compared = await compare(github, ancestor, commit, Comparison)
      return compared !== undefined && (compared.status === 'ahead' || compared.status === 'identical')
    },
    async read(commit) {
      assertCommit(commit)
      const facts = await github.ask('GET /repos/{owner}/{repo}/git/commits/{commit}', { commit }, Commit)
      const entries = policyEntries(await listing(github, facts.tree.sha))
      const { name, email } = facts.author
      const committed = commitDate(facts.committer.date)
      const files = await readAll(entries, (entry) => readBlob(github, entry, kept))
      return {
        commit,
        author: `${name} <${email}>`,
        committed,
        files,
      } satisfies CommitFacts
    },
  }
}

/** Undefined = one of them is unknown. Of the commits between only the second page is asked for: files come with the first. */
export function compare<T>(
  github: GithubClient,
  base: string,
  head: string,
  answer: z.ZodType<T>,
): Promise<T | undefined> {
  const parameters = { basehead: `${base}...${head}`, per_page: 1, page: 2 }
  return github.find('GET /repos/{owner}/{repo}/compare/{basehead}', parameters, answer)
}

async function listing(github: GithubClient, root: string) {
  const top = (await tree(github, root, false)).tree.filter(({ path }) => POLICY_ROOTS.includes(path))
  const folder = top.find(({ path, type }) => path === POLICY_FOLDER && type === 'tree')
  const below = folder === undefined ? [] : await wholeFolder(github, folder.sha)
  const named = below.map((entry) => ({ ...entry, path: `${POLICY_FOLDER}/${entry.path}` }))
  return [...top, ...named]
    .filter(({ type }) => type !== 'tree')
    .map(({ mode, sha, size, path }) => ({ mode, oid: sha, bytes: size ?? 0, path }))
}

/** In one answer; where GitHub cuts that short, folder by folder. */
async function wholeFolder(github: GithubClient, root: string): Promise<Entry[]> {
  const all = await tree(github, root, true)
  if (!all.truncated) return all.tree
  const found: Entry[] = []
  const folders = [{ sha: root, prefix: '' }]
  for (let at = 0; at < folders.length; at++) {
    const { sha, prefix } = folders[at] as (typeof folders)[number]
    const { tree: entries, truncated } = await tree(github, sha, false)
    if (truncated || folders.length > MAX_FOLDERS) {
      throw new Failure('limit-exceeded', `${POLICY_FOLDER}/${prefix} has more entries than GitHub lists`)
    }
    for (const entry of entries) {
      const path = `${prefix}${entry.path}`
      if (entry.type === 'tree') folders.push({ sha: entry.sha, prefix: `${path}/` })
      else found.push({ ...entry, path })
    }
  }
  return found.sort((a, b) => (a.path < b.path ? -1 : 1))
}

function tree(github: GithubClient, sha: string, recursive: boolean) {
  const parameters = { sha, ...(recursive ? { recursive: '1' } : {}) }
  return github.ask('GET /repos/{owner}/{repo}/git/trees/{sha}', parameters, Tree)
}

async function readBlob(github: GithubClient, { oid, bytes, path }: PolicyEntry, kept: BlobCache) {
  const known = kept.get(oid)
  if (known !== undefined) return { path, bytes: known }
  const { content } = await github.ask('GET /repos/{owner}/{repo}/git/blobs/{oid}', { oid }, Blob)
  const read = new Uint8Array(Buffer.from(content, 'base64'))
  const hash = createHash(oid.length === 40 ? 'sha1' : 'sha256')
    .update(`blob ${read.length}\0`)
    .update(read)
  if (read.length !== bytes || hash.digest('hex') !== oid) {
    throw new Failure('forge-unavailable', `what GitHub gives as ${path} is not ${oid}`)
  }
  kept.put(oid, read)
  return { path, bytes: read }
}

async function readAll<T>(entries: readonly T[], read: (entry: T) => Promise<RepositoryFile>) {
  const files: RepositoryFile[] = []
  for (let at = 0; at < entries.length; at += AT_A_TIME) {
    files.push(...(await Promise.all(entries.slice(at, at + AT_A_TIME).map(read))))
  }
  return files
}

type BlobCache = { get(oid: string): Uint8Array | undefined; put(oid: string, bytes: Uint8Array): void }

/** Blobs never change, and each costs a request of 5,000 an hour: a commit asks for what it changed. */
function blobCache(maxBytes: number): BlobCache {
  const blobs = new Map<string, Uint8Array>()
  let total = 0
  return {
    get: (oid) => blobs.get(oid),
    put(oid, bytes) {
      total += bytes.length - (blobs.get(oid)?.length ?? 0)
      blobs.set(oid, bytes)
      for (const [oldest, { length }] of blobs) {
        if (total <= maxBytes) return
        blobs.delete(oldest)
        total -= length
      }
    },
  }
}

function assertCommit(commit: string): void {
  if (!COMMIT.test(commit)) throw new RangeError(`not a commit: ${commit}`)
}
