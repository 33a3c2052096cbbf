/** Which files of a commit are policy, and how much of it there may be: the same for every forge. */
import { Failure } from '../../pipelines/contract/failures.ts'

/** What of a commit is policy: everything else in the repository is somebody else's. */
export const POLICY_FOLDER = 'policies'
export const POLICY_ROOTS = [POLICY_FOLDER, 'tenants.yaml']
const POLICY_FILE = /^(policies\/.*\.ya?ml|tenants\.yaml)$/

export const isPolicyFile = (path: string): boolean => POLICY_FILE.test(path)

const MAX_FILES = 5000
const MAX_FILE_BYTES = 1024 * 1024
export const MAX_TOTAL_BYTES = 64 * 1024 * 1024

/** `mode` as git writes it: 100644, 120000 (a link), 160000 (a submodule), 040000 (a folder). */
export type ListedEntry = { mode: string; oid: string; bytes: number; path: string }
export type PolicyEntry = { oid: string; bytes: number; path: string }

/** Throws Failure('unsupported-feature') for links and submodules, 'limit-exceeded' above the limits. */
export function policyEntries(listed: readonly ListedEntry[]): PolicyEntry[] {
  const entries: PolicyEntry[] = []
  let total = 0
  for (const { mode, oid, bytes, path } of listed) {
    // As a folder that is a link it would count as no policies at all, which opens everything.
    if (!isPolicyFile(path) && !(path === POLICY_FOLDER && !mode.startsWith('04'))) continue
    // A link could name any file of the machine that reads it.
    if (!mode.startsWith('100') || path === POLICY_FOLDER) {
      throw new Failure('unsupported-feature', `${path} is a link, a submodule or of the wrong kind`)
    }
    total += bytes
    if (bytes > MAX_FILE_BYTES)
      throw new Failure('limit-exceeded', `${path} is larger than ${MAX_FILE_BYTES} bytes`)
    entries.push({ oid, bytes, path })
  }
  if (entries.length > MAX_FILES) throw new Failure('limit-exceeded', `more than ${MAX_FILES} policy files`)
  if (total > MAX_TOTAL_BYTES) throw new Failure('limit-exceeded', `policies exceed ${MAX_TOTAL_BYTES} bytes`)
  return entries
}
