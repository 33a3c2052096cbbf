/** Who may announce what: a file that is given to every node, as root.json is. `heddle node admit` writes it. */
import { Failure } from '../../pipelines/contract/failures.ts'
import { type Member, Members } from '../../pipelines/services/announcement.ts'
import { readLocated } from './located-yaml.ts'
import { type WatchedFile, watchedFile } from './watched-file.ts'

/** Bytes of the file: a few hundred a node. */
const MAX_BYTES = 4_194_304

/** Throws Failure('yaml-syntax' | 'yaml-limit' | 'schema-violation') that names file, line and column. */
export function parseMembers(file: string, text: string): Member[] {
  if (text.length > MAX_BYTES) throw new Failure('yaml-limit', `${file}: longer than ${MAX_BYTES} bytes`)
  const { value, locate } = readLocated(file, text)
  const parsed = Members.safeParse(value)
  if (parsed.success) return parsed.data.members
  const detail = parsed.error.issues.map(locate)
  throw new Failure('schema-violation', `${file} is no list of members`, { detail })
}

/** Without a file nobody is believed. */
export function fileMembers(file: string | null): WatchedFile<Member[]> {
  if (file === null) return { read: async () => [], watch: () => () => {} }
  return watchedFile(file, parseMembers)
}
