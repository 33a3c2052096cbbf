/** A digest on a command line. */
import { InvalidArgumentError } from 'commander'
import { Digest } from '../../pipelines/contract/artifact.ts'

export function artifactArgument(text: string): Digest {
  const parsed = Digest.safeParse(text.startsWith('sha256:') ? text : `sha256:${text}`)
  if (!parsed.success) throw new InvalidArgumentError('an artifact is sha256: and 64 hexadecimal digits')
  return parsed.data
}
