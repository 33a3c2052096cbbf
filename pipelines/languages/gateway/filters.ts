/** `filters` of a rule or of a backend: what may stand together, and what they are in the model. */
import type { Filter } from '../../policy/route.ts'
import type { Reader } from '../reader.ts'
import type { Path } from '../source-node.ts'
import { corsFilterOf } from '../routes/cors.ts'
import { headersOf } from '../routes/header-fields.ts'
import { pathProblem } from '../routes/path-problem.ts'
import { UNSUPPORTED, UNSUPPORTED_FILTERS } from './features.ts'
import type { PathModifier, RouteFilter } from './schema.ts'

/** The field that each type needs, and no other type may have. */
const PARTS = {
  RequestHeaderModifier: 'requestHeaderModifier',
  ResponseHeaderModifier: 'responseHeaderModifier',
  RequestRedirect: 'requestRedirect',
  URLRewrite: 'urlRewrite',
  CORS: 'cors',
} as const
type Supported = keyof typeof PARTS
const HOST = 'write URLRewrite with a hostname'
const isSupported = (type: RouteFilter['type']): type is Supported => Object.hasOwn(PARTS, type)

type NewPath = { path?: { kind: 'full' | 'prefix'; value: string } }

function pathOf(reader: Reader, modifier: PathModifier | undefined, path: Path): NewPath {
  if (modifier === undefined) return {}
  const full = modifier.type === 'ReplaceFullPath'
  const value = full ? modifier.replaceFullPath : modifier.replacePrefixMatch
  const wrong = value === '' ? undefined : pathProblem(value)
  if (wrong !== undefined) {
    const here = [...path, full ? 'replaceFullPath' : 'replacePrefixMatch']
    const hint = 'write an absolute path; the query of a request is kept'
    reader.refuse(here, 'schema-violation', `the path \`${value}\` ${wrong}`, hint)
  }
  return { path: { kind: full ? 'full' : 'prefix', value } }
}

function filterOf(reader: Reader, filter: RouteFilter, path: Path): Filter | undefined {
  if (filter.requestHeaderModifier !== undefined) {
    const here = [...path, 'requestHeaderModifier']
    return headersOf(reader, filter.requestHeaderModifier, here, { kind: 'request', host: HOST })
  }
  if (filter.responseHeaderModifier !== undefined) {
    const here = [...path, 'responseHeaderModifier']
    return headersOf(reader, filter.responseHeaderModifier, here, { kind: 'response', host: HOST })
  }
  if (filter.requestRedirect !== undefined) {
    const { scheme, hostname, port, statusCode, path: modifier } = filter.requestRedirect
    return {
      kind: 'redirect',
      status: statusCode,
      ...(scheme === undefined ? {} : { scheme }),
      ...(hostname === undefined ? {} : { host: hostname }),
      ...(port === undefined ? {} : { port }),
      ...pathOf(reader, modifier, [...path, 'requestRedirect', 'path']),
    }
  }
  if (filter.urlRewrite !== undefined) {
    const { hostname, path: modifier } = filter.urlRewrite
    const host = hostname === undefined ? {} : { host: hostname }
    return { kind: 'rewrite', ...host, ...pathOf(reader, modifier, [...path, 'urlRewrite', 'path']) }
  }
  return filter.cors === undefined ? undefined : corsFilterOf(reader, filter.cors, [...path, 'cors'])
}

/** HTTPRouteFilter is a union by `type`: its own field is there, no other is. */
function checkParts(reader: Reader, filter: RouteFilter, path: Path): void {
  if (!isSupported(filter.type)) {
    const field = UNSUPPORTED_FILTERS[filter.type]
    const message = `the filter ${filter.type} is not supported`
    reader.refuse([...path, 'type'], 'unsupported-feature', message, UNSUPPORTED[field])
    return
  }
  const own = PARTS[filter.type]
  for (const part of Object.values(PARTS)) {
    const there = filter[part] !== undefined
    if (there === (part === own)) continue
    const message = there
      ? `\`${part}\` in a filter of type ${filter.type}`
      : `${filter.type} without \`${own}\``
    reader.refuse(
      [...path, part],
      'schema-violation',
      message,
      `write \`${own}\`, and nothing else beside type`,
    )
  }
}

/** The filters of one list. */
export function filtersOf(reader: Reader, list: RouteFilter[], path: Path): Filter[] {
  const seen = new Set<RouteFilter['type']>()
  return list.flatMap((filter, index) => {
    const here = [...path, index]
    const { type } = filter
    checkParts(reader, filter, here)
    if (seen.has(type)) {
      const message = `a second ${type} in one list of filters`
      reader.refuse([...here, 'type'], 'schema-violation', message, 'put both into one')
    }
    seen.add(type)
    const other = type === 'URLRewrite' ? 'RequestRedirect' : 'URLRewrite'
    if ((type === 'URLRewrite' || type === 'RequestRedirect') && seen.has(other)) {
      const message = `${type} cannot stand beside ${other}`
      reader.refuse([...here, 'type'], 'schema-violation', message, 'remove one of them')
    }
    return filterOf(reader, filter, here) ?? []
  })
}
