/** Text files of a policy repository → policy set or findings. Used by the validate stage and the CLI. */
import { type Finding, inReadingOrder } from '../../pipelines/languages/finding.ts'
import { type Judged, judged } from '../../pipelines/languages/judged.ts'
import { type Loaded, type PolicyFile, readPolicyFiles } from '../../pipelines/languages/policy-files.ts'
import { readYaml } from '../adapters/yaml-source.ts'

/** `path` counts from the repository's root, with slashes. */
export type TextFile = { path: string; text: string }

/** Policies are YAML; what stands in hidden folders (.github, …) or is no YAML is nobody's policy. */
export function isPolicyPath(path: string): boolean {
  return /\.ya?ml$/.test(path) && !path.split('/').some((part) => part.startsWith('.'))
}

/** Everything that these files say, or every reason against it. Never throws for what a file says. */
export function readPolicies(files: readonly TextFile[]): Loaded {
  const unreadable: Finding[] = []
  const readable: PolicyFile[] = []
  for (const { path, text } of files) {
    const read = readYaml(path, text)
    if ('finding' in read) unreadable.push(read.finding)
    else readable.push({ path, documents: read.documents })
  }
  const loaded = readPolicyFiles(readable)
  if (unreadable.length === 0) return loaded
  const others = 'set' in loaded ? loaded.warnings : loaded.findings
  return { findings: inReadingOrder([...unreadable, ...others]) }
}

/** The same for a whole repository: files that are no policy files are left out. */
export function readRepository(files: readonly TextFile[]): Loaded {
  return readPolicies(files.filter(({ path }) => isPolicyPath(path)))
}

/** What would be delivered of a repository: its cases hold. */
export function loadPolicies(files: readonly TextFile[]): Judged {
  return judged(readRepository(files))
}
