/** Validate: a commit's policy files → one policy set, or findings for the people who pushed. */
import type { Digest } from '../../pipelines/contract/artifact.ts'
import type { Finding } from '../../pipelines/contract/commit-status.ts'
import type { EventOf } from '../../pipelines/contract/events.ts'
import type { PolicySet } from '../../pipelines/policy/model.ts'
import { putJson } from '../blobs.ts'
import type { Forge, ObjectStore, PolicyReader, Queue, RepositoryFile, Statuses } from '../ports.ts'
import { statusOf } from '../statuses.ts'
import { sha256Hex } from '../trust/metadata.ts'
import type { TextFile } from './load-policies.ts'

const MAX_FINDINGS = 1000

export type ValidatePorts = {
  forge: Forge
  reader: PolicyReader
  statuses: Statuses
  store: ObjectStore
  queue: Queue
  repository: string
  branch: string
}

/** Throws Failure('limit-exceeded' | 'forge-unavailable' | 'store-unavailable' | 'compiler-failed' | 'work-interrupted'). */
export async function validate(ports: ValidatePorts, { commit }: EventOf<'validate'>): Promise<void> {
  const head = await ports.forge.head(ports.branch)
  if (head === undefined || (head !== commit && !(await ports.forge.contains(head, commit)))) {
    await ports.statuses.post(commit, statusOf('failure', 'superseded', 'no longer on the branch'))
    return
  }
  const { files, author, committed } = await ports.forge.read(commit)
  const { set, findings } = await load(ports.reader, files)
  const listed = { findings: findings.slice(0, MAX_FINDINGS) }
  if (set === undefined) {
    const errors = findings.filter(({ severity }) => severity === 'error').length
    const description = `${errors} ${errors === 1 ? 'error' : 'errors'}; nothing is published, nodes keep what they run`
    await ports.statuses.post(commit, statusOf('failure', 'refused', description, listed))
    return
  }
  const validated = await putJson(ports.store, {
    schema: 'heddle.validated/1',
    set,
    source: { repository: ports.repository, commit, author, committed },
    materials: files.map(({ path, bytes }) => ({
      path,
      digest: `sha256:${sha256Hex(bytes)}` satisfies Digest,
    })),
  })
  const description = `${set.policies.length + set.routes.length} policies are valid`
  await ports.statuses.post(commit, statusOf('pending', 'validated', description, listed))
  await ports.queue.send({ stage: 'compile', commit, validated })
}

async function load(
  reader: PolicyReader,
  files: readonly RepositoryFile[],
): Promise<{ set?: PolicySet; findings: Finding[] }> {
  const texts: TextFile[] = []
  const findings: Finding[] = []
  for (const { path, bytes } of files) {
    const text = decode(bytes)
    if (text === undefined) findings.push(notText(path))
    else texts.push({ path, text })
  }
  const loaded = await reader.read(texts)
  if (!('set' in loaded)) return { findings: [...findings, ...loaded.findings] }
  return findings.length > 0 ? { findings } : { set: loaded.set, findings: loaded.warnings }
}

function decode(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return undefined
  }
}

function notText(file: string): Finding {
  const message = 'the file is not UTF-8 text'
  return {
    file,
    line: 1,
    column: 1,
    code: 'yaml-syntax',
    message,
    hint: 'save it as UTF-8',
    severity: 'error',
  }
}
