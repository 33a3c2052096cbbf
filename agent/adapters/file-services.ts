/** Services from a static file, YAML or JSON: `services:` or a bare list. For machines without an orchestrator. */
import { z } from 'zod'
import { Failure } from '../../pipelines/contract/failures.ts'
import { parseAddress } from '../../pipelines/policy/address.ts'
import { Service } from '../../pipelines/services/model.ts'
import { addressKey } from '../../pipelines/services/nearest.ts'
import type { Services } from '../ports.ts'
import { type Issue, readLocated } from './located-yaml.ts'
import { watchedFile } from './watched-file.ts'

/** Bytes of the file: as many services and endpoints as the kernel has room for are half of it. */
const MAX_BYTES = 4_194_304

const File = z.strictObject({ services: z.array(Service) })

type Path = PropertyKey[]

/** Names, and addresses with ports, that were there before. */
class Seen {
  readonly issues: Issue[] = []
  private readonly places = new Set<string>()

  once(key: string, path: Path, message: string): void {
    if (this.places.has(key)) this.issues.push({ path, message })
    this.places.add(key)
  }

  address(text: string, path: Path): void {
    if (parseAddress(text) === undefined) this.issues.push({ path, message: `\`${text}\` is no address` })
  }
}

/** Rules that one field alone cannot tell. */
function check(services: readonly Service[]): Issue[] {
  const seen = new Seen()
  for (const [index, service] of services.entries()) {
    const at = ['services', index]
    const name = `${service.namespace}/${service.name}`
    seen.once(`name ${name}`, [...at, 'name'], `service ${name} is there twice`)
    for (const [place, { port, name: portName }] of service.ports.entries()) {
      const path = [...at, 'ports', place]
      seen.once(`port ${name}:${port}`, path, `port ${port} is there twice`)
      if (portName !== undefined)
        seen.once(`port ${name}:${portName}`, path, `a port named ${portName} is there twice`)
    }
    for (const [place, text] of service.addresses.entries()) {
      const path = [...at, 'addresses', place]
      seen.address(text, path)
      for (const { port } of service.ports)
        seen.once(`${addressKey(text)}:${port}`, path, `${text} port ${port} is given twice`)
    }
    checkListed(service, at, seen)
  }
  return seen.issues
}

function checkListed({ namespace, name, ports, endpoints = [] }: Service, at: Path, seen: Seen): void {
  for (const [place, { address, port }] of endpoints.entries()) {
    const path = [...at, 'endpoints', place]
    seen.address(address, [...path, 'address'])
    const listed = `listed ${namespace}/${name} ${addressKey(address)} ${port}`
    seen.once(listed, path, `endpoint ${address} is there twice`)
    if (port === undefined || ports.length === 1) continue
    const message = 'of which port of the service? It has several: give them a targetPort instead'
    seen.issues.push({ path: [...path, 'port'], message })
  }
}

/**
 * Services of a text. Throws Failure('yaml-syntax' | 'yaml-limit' | 'schema-violation') that names
 * file, line and column in each detail line.
 */
export function parseServices(file: string, text: string): Service[] {
  if (text.length > MAX_BYTES) throw new Failure('yaml-limit', `${file}: longer than ${MAX_BYTES} bytes`)
  const { value, locate } = readLocated(file, text)
  const bare = Array.isArray(value)
  const parsed = File.safeParse(bare ? { services: value } : value)
  const place = ({ path, message }: Issue) => locate({ path: bare ? path.slice(1) : path, message })
  const refuse = (issues: readonly Issue[]) =>
    new Failure('schema-violation', `${file} is no list of services`, { detail: issues.map(place) })
  if (!parsed.success) throw refuse(parsed.error.issues)
  const issues = check(parsed.data.services)
  if (issues.length > 0) throw refuse(issues)
  return parsed.data.services
}

/** Services of a file; without one there are none. */
export function fileServices(file: string | null): Services {
  if (file === null) return { list: async () => [], watch: () => () => {} }
  const { read, watch } = watchedFile(file, parseServices)
  return { list: read, watch }
}
