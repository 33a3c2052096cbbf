/** A CORS filter, as HTTPRoute and MeshPolicy write it: lists are sets, a wildcard in one stands alone, and what it may not stand for is refused. */
import type { Cors as CorsFilter } from '../../policy/route-cors.ts'
import type { Reader } from '../reader.ts'
import type { Path } from '../source-node.ts'

const MAX_PORT = 65535

export type Cors = {
  allowOrigins: string[]
  allowCredentials: boolean
  allowMethods: string[]
  allowHeaders: string[]
  exposeHeaders: string[]
  maxAge: number
}

function checkSet(reader: Reader, list: readonly string[], path: Path): void {
  for (const [index, entry] of list.entries()) {
    if (list.indexOf(entry) === index) continue
    reader.refuse([...path, index], 'schema-violation', `\`${entry}\` stands twice in one list`, 'remove one')
  }
}

function checkWildcard(reader: Reader, list: readonly string[], path: Path): void {
  if (list.length < 2 || !list.includes('*')) return
  const message = '`*` cannot stand beside other entries'
  reader.refuse(path, 'schema-violation', message, 'remove the others: they are among all')
}

function checkPorts(reader: Reader, origins: readonly string[], path: Path): void {
  for (const [index, origin] of origins.entries()) {
    const port = /:(\d+)$/.exec(origin)?.[1]
    if (port === undefined || (Number(port) >= 1 && Number(port) <= MAX_PORT)) continue
    const message = `\`${port}\` in \`${origin}\` is no port`
    reader.refuse([...path, index], 'schema-violation', message, `write a number from 1 to ${MAX_PORT}`)
  }
}

export function corsFilterOf(reader: Reader, cors: Cors, path: Path): CorsFilter {
  const { allowOrigins, allowMethods, allowHeaders, exposeHeaders, allowCredentials, maxAge } = cors
  for (const [name, list] of Object.entries({ allowOrigins, allowMethods, allowHeaders }))
    checkWildcard(reader, list, [...path, name])
  for (const [name, list] of Object.entries({ allowOrigins, allowMethods, allowHeaders, exposeHeaders }))
    checkSet(reader, list, [...path, name])
  checkPorts(reader, allowOrigins, [...path, 'allowOrigins'])
  if (allowCredentials && exposeHeaders.includes('*')) {
    // "The gateway cannot use the `*`": with credentials a client takes it for a header of that name.
    const message = '`*` exposes nothing where credentials are allowed'
    reader.refuse([...path, 'exposeHeaders'], 'unsupported-feature', message, 'name the headers')
  }
  if (allowOrigins.length === 0)
    reader.warn(path, 'this filter allows no origin', 'write allowOrigins, or remove the filter')
  return {
    kind: 'cors',
    origins: allowOrigins,
    credentials: allowCredentials,
    methods: allowMethods,
    headers: allowHeaders,
    expose: exposeHeaders,
    maxAge,
  }
}
