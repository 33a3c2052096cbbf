/** Where copies of requests go, and how many: as languages write it. */
import { MILLION, type Mirror } from '../policy/mirror.ts'
import type { Ports } from '../policy/model.ts'
import type { ServicePort } from '../policy/route.ts'
import type { Reader } from './reader.ts'
import type { Path } from './source-node.ts'

/** RFC 1035: what a service may be called. */
const NAMED = /^([a-z]([a-z0-9-]{0,61}[a-z0-9])?)(?::([0-9]{1,5}))?$/
const MAX_PORT = 65_535

/** Undefined with a finding. `ports`: those of the rule, of which the one is meant where none is written. */
export function mirrorTarget(
  reader: Reader,
  path: Path,
  { text, namespace, ports }: { text: string; namespace: string; ports: readonly Ports[] | null },
): ServicePort | undefined {
  const [, name, , written] = NAMED.exec(text) ?? []
  if (name === undefined || Number(written ?? 1) < 1 || Number(written ?? 1) > MAX_PORT) {
    const message = `\`${text}\` is no service of this namespace`
    reader.refuse(path, 'schema-violation', message, 'write its name, or name:port')
    return undefined
  }
  if (written !== undefined) return { namespace, name, port: Number(written) }
  const [only, ...others] = ports ?? []
  if (only !== undefined && others.length === 0 && only.first === only.last)
    return { namespace, name, port: only.first }
  const message = `which port of \`${name}\`? The rule has not one`
  reader.refuse(path, 'schema-violation', message, `write ${name}:80`)
  return undefined
}

/** Copies of a million requests; what is finer than that would not be what is written. */
export function mirrorRatio(reader: Reader, path: Path, ratio: number): Mirror['ratio'] {
  const copies = Math.round(ratio * MILLION)
  if (Math.abs(copies / MILLION - ratio) < 1e-12) return copies
  reader.refuse(
    path,
    'schema-violation',
    `\`${ratio}\` is finer than a millionth`,
    'write at most six digits behind the point',
  )
  return copies
}
