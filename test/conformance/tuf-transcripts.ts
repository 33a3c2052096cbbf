/** Recorded runs of TUF clients (tuf-conformance, MIT): what was served when, and what a client then did. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const CORPUS = join(process.env['HEDDLE_CORPUS'] ?? '../shared/corpus', 'tuf-conformance-transcripts')
export const hasCorpus = existsSync(CORPUS)

export type Step = {
  cmd: 'init' | 'refresh' | 'download'
  exit: 0 | 1
  /** init: SHA-256 of the root that is trusted from then on. */
  trustedRoot: string
  /** What the repository consists of during this step: path -> SHA-256. */
  serve: Record<string, string>
  /** The time that expiry is judged by. */
  referenceTime: string
  /** download: the paths asked for, in order. */
  targets?: string[]
  metadataRequests: [role: string, version: number | null][]
  /** The metadata that the client trusts after the step, by the name of its file. */
  trustedAfter: Record<string, { version: number; sha256: string }>
  /** SHA-256 of the artifacts that the client holds after the step. */
  artifactsAfter: string[]
  /** Where more than one end is right. */
  artifactsAfterAnyOf?: string[][]
  /** Where the clients of the record are wrong, and `exit` is what is right. */
  observedExitOfReferenceClients?: number
  artifactsAfterObserved?: string[]
}

export type Transcript = { name: string; blobs: Map<string, Buffer>; steps: Step[] }

/** All of them, by name. */
export function readTranscripts(): Transcript[] {
  const files = readdirSync(CORPUS).filter((file) => file.endsWith('.json'))
  return files.sort().map((file) => {
    const { blobs, steps } = JSON.parse(readFileSync(join(CORPUS, file), 'utf8'))
    const decoded = Object.entries(blobs as Record<string, string>).map(
      ([sha256, text]) => [sha256, Buffer.from(text, 'base64')] as const,
    )
    return { name: file.replace(/^test_|\.json$/g, ''), blobs: new Map(decoded), steps }
  })
}

/** The bytes of this digest. */
export function blobOf(transcript: Transcript, sha256: string): Buffer {
  const bytes = transcript.blobs.get(sha256)
  if (bytes === undefined) throw new Error(`${transcript.name} has no blob ${sha256}`)
  return bytes
}
