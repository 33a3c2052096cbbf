/** Where a redirect points to: HTTPRequestRedirectFilter, field by field. */
import { byteText } from '../protocols/http1-grammar.ts'
import { fieldValues, type Request } from '../protocols/http1-request.ts'
import { changedPath, newPath } from './route-change.ts'
import { targetOf } from './route-match.ts'
import type { Redirect, RouteMatch, ServicePort } from './route.ts'

const WELL_KNOWN = { http: 80, https: 443 } as const

/** "The hostname in the `Host` header", so without its port. A client that sent none gets the service's name. */
function hostOf(request: Request, service: ServicePort): string {
  const host = byteText(fieldValues(request, 'host')[0] ?? [])
  const name = host.replace(/:\d*$/, '')
  return name === '' ? `${service.name}.${service.namespace}` : name
}

/**
 * The value of Location. Without a scheme it is the request's, which is http, and without a port it
 * is then the listener's: for a route of a service, the port that the client connected to. A scheme
 * without a port means the scheme's well-known port. A well-known port is not written. The request's
 * query is kept.
 */
export function locationOf(
  redirect: Redirect,
  match: RouteMatch,
  { request, service }: { request: Request; service: ServicePort },
): string {
  const scheme = redirect.scheme ?? 'http'
  const port = redirect.port ?? (redirect.scheme === undefined ? service.port : WELL_KNOWN[scheme])
  const { path = '/', query } = targetOf(request)
  const changed = redirect.path === undefined ? path : changedPath(path, newPath(redirect.path, match))
  const authority = redirect.host ?? hostOf(request, service)
  const shown = port === WELL_KNOWN[scheme] ? '' : `:${port}`
  return `${scheme}://${authority}${shown}${changed}${query === undefined ? '' : `?${query}`}`
}
