/** `filters` of a rule or of a backend: what may stand together, and what they are in the model. */
import type { Field, Filter } from '../../policy/route.ts'
import type { Reader } from '../reader.ts'
import type { Path } from '../source-node.ts'
import { FRAMING_FIELDS, UNSUPPORTED, UNSUPPORTED_FILTERS } from './features.ts'
import { pathProblem } from './matches.ts'
import { corsFilterOf } from './cors.ts'
import type { Header, HeaderFilter, PathModifier, RouteFilter } from './schema.ts'

/** The field that each type needs, and no other type may have. */
const PARTS = {
  RequestHeaderModifier: 'requestHeaderModifier',
  ResponseHeaderModifier: 'responseHeaderModifier',
  RequestRedirect: 'requestRedirect',
  URLRewrite: 'urlRewrite',
  CORS: 'cors',
} as const
type Supported = keyof typeof PARTS
const isSupported = (type: RouteFilter['type']): type is Supported => Object.hasOwn(PARTS, type)

function checkName(reader: Reader, path: Path, name: string): void {
  if (!FRAMING_FIELDS.includes(name.toLowerCase())) return
  const hint = /^host$/i.test(name)
    ? 'write URLRewrite with a hostname'
    : 'remove it: it frames the message, or speaks of one connection alone'
  reader.refuse(path, 'unsupported-feature', `the header \`${name}\` cannot be changed`, hint)
}

/** Of names that differ in case alone the first counts, as in a match. */
function fieldsOf(reader: Reader, list: Header[], path: Path): Field[] {
  const seen = new Map<string, string>()
  return list.flatMap(({ name, value }, index): Field[] => {
    const here = [...path, index, 'name']
    checkName(reader, here, name)
    const first = seen.get(name.toLowerCase())
    if (first === name) {
      reader.refuse(here, 'schema-violation', `\`${name}\` stands twice in one list`, 'remove one')
    } else if (first !== undefined) {
      const message = `\`${name}\` has no effect: it is the same header as \`${first}\``
      reader.warn(here, message, 'remove one: only the first counts')
    }
    if (first !== undefined) return []
    seen.set(name.toLowerCase(), name)
    return [{ name, value }]
  })
}

function headersOf(reader: Reader, part: HeaderFilter, path: Path, kind: 'request' | 'response'): Filter {
  for (const [index, name] of part.remove.entries()) checkName(reader, [...path, 'remove', index], name)
  return {
    kind: `${kind}-headers`,
    set: fieldsOf(reader, part.set, [...path, 'set']),
    add: fieldsOf(reader, part.add, [...path, 'add']),
    remove: part.remove,
  }
}

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
    return headersOf(reader, filter.requestHeaderModifier, here, 'request')
  }
  if (filter.responseHeaderModifier !== undefined) {
    const here = [...path, 'responseHeaderModifier']
    return headersOf(reader, filter.responseHeaderModifier, here, 'response')
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
