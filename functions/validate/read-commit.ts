/** Files of a commit → one policy set, or findings. */
import type { Finding } from '../../pipelines/contract/commit-status.ts'
import type { PolicySet } from '../../pipelines/policy/model.ts'
import type { PolicyReader, RepositoryFile } from '../ports.ts'
import type { TextFile } from './load-policies.ts'

/** What the files of a commit say; every file that is no text is a finding, too. */
export async function readCommit(
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
