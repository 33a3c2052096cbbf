/** `toPorts[].ports`: numbers, quoted; named ports would need what only Kubernetes knows. */
import type { Ports } from '../../policy/model.ts'
import type { Reader } from '../reader.ts'
import type { Path } from '../source-node.ts'
import type { PortProtocol } from './schema.ts'

const NUMBER = /^(0|[1-9]\d{0,4})$/
/** IANA service name, RFC 6335 5.1: what Cilium takes for a named port. */
const SERVICE_NAME = /^(?=.*[a-zA-Z])[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?$/
const LAST_PORT = 65535

function number(reader: Reader, path: Path, text: string): number | undefined {
  if (NUMBER.test(text) && Number(text) <= LAST_PORT) return Number(text)
  if (SERVICE_NAME.test(text)) {
    const message = `the named port \`${text}\` is not supported`
    reader.refuse(path, 'unsupported-feature', message, 'write the number that the workload listens on')
  } else {
    reader.refuse(
      path,
      'schema-violation',
      `\`${text}\` is no port`,
      'write a number from 0 to 65535, without leading zeros',
    )
  }
  return undefined
}

/** Port 0 is every port, as in Cilium. Without protocol, any protocol. */
export function portsOf(reader: Reader, list: PortProtocol[], path: Path): Ports[] {
  return list.flatMap((item, index): Ports[] => {
    const here = [...path, index]
    const first = number(reader, [...here, 'port'], item.port)
    const { protocol = 'ANY', endPort } = item
    if (first === undefined) return []
    if (endPort !== undefined && (first === 0 || endPort < first)) {
      const message = `endPort ${endPort} is not behind port ${first}`
      reader.refuse([...here, 'endPort'], 'schema-violation', message, 'write the range from port to endPort')
      return []
    }
    if (first === 0) return [{ protocol, first: 1, last: LAST_PORT }]
    return [{ protocol, first, last: endPort ?? first }]
  })
}
