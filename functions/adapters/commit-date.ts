import { Failure } from '../../pipelines/contract/failures.ts'

/** A commit's date in UTC, to the second, as every forge has it. Throws Failure('unsupported-feature') for one that is none. */
export function commitDate(text: string): string {
  const time = Date.parse(text)
  if (Number.isNaN(time)) throw new Failure('unsupported-feature', `the commit's date is none: ${text}`)
  return `${new Date(time).toISOString().slice(0, -'.000Z'.length)}Z`
}
