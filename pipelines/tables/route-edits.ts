/** Filters → edits: what is constant in a changed head, as text that is ready to be written. */
import { Failure } from '../contract/failures.ts'
import {
  type HeaderChange,
  type NewPath,
  newPath,
  requestChange,
  responseChange,
} from '../policy/route-change.ts'
import type { Candidate } from '../policy/route-precedence.ts'
import { type Responded, respondedHead } from '../policy/route-respond.ts'
import type { Filter, Redirect } from '../policy/route.ts'
import { statusLine } from '../protocols/http1-reasons.ts'
import type { Source } from '../policy/source.ts'
import { at } from './blocks.ts'
import {
  CUT_BYTES,
  CUT_NONE,
  CUT_PATH,
  CUT_SLASH,
  REDIRECT_FIXED,
  REDIRECT_HOST,
  REDIRECT_PORT,
} from './layout.ts'
import { editableName, fieldLine, urlText } from './route-text.ts'

/** struct heddle_route_edit, before texts and names have a place. */
export type HeadEdit = {
  readonly cut: number
  readonly target: string
  readonly host: string
  /** In lower case. */
  readonly names: readonly string[]
  readonly lines: string
}

/** struct heddle_route_redirect, likewise. */
export type RedirectReply = {
  readonly flags: number
  readonly cut: number
  readonly before: string
  readonly name: string
  readonly port: string
  readonly target: string
  readonly after: string
}

/** How one backend's filters change what passes; null = not at all. */
export type Changes = {
  readonly redirect: RedirectReply | null
  readonly request: HeadEdit | null
  readonly response: HeadEdit | null
}

const WELL_KNOWN = { http: 80, https: 443 } as const

type Cut = { readonly cut: number; readonly target: string }

function cutOf(path: NewPath | null, source: Source): Cut {
  if (path === null) return { cut: CUT_NONE, target: '' }
  const target = urlText(path.value, source)
  if (path.kind === 'full') return { cut: CUT_PATH, target }
  if (path.length > CUT_BYTES)
    throw new Failure('limit-exceeded', `${at(source)}: a prefix of more than ${CUT_BYTES} bytes`)
  // Nothing in its place: the slash behind it stays, and one is put in where there is none.
  return target === '' ? { cut: CUT_SLASH | path.length, target: '/' } : { cut: path.length, target }
}

function headEdit(cut: Cut, host: string, change: HeaderChange, source: Source): HeadEdit | null {
  const names = change.drop.map((name) => editableName(name, source))
  const lines = change.append.map((field) => fieldLine(field, source)).join('')
  const unchanged = cut.cut === CUT_NONE && host === '' && names.length === 0 && lines === ''
  return unchanged ? null : { ...cut, host, names, lines }
}

function redirectReply(redirect: Redirect, filters: readonly Filter[], { match, rule }: Candidate) {
  const { source } = rule
  const scheme = redirect.scheme ?? 'http'
  const port = redirect.port ?? (redirect.scheme === undefined ? undefined : WELL_KNOWN[scheme])
  const change = responseChange(filters)
  const names = change.drop.map((name) => editableName(name, source))
  if (names.includes('location'))
    throw new Failure('unsupported-feature', `${at(source)}: a redirect can't be without its Location`)
  const own = names.includes('server') ? '' : 'Server: heddle\r\n'
  const cut = cutOf(redirect.path === undefined ? null : newPath(redirect.path, match), source)
  return {
    ...cut,
    flags: (redirect.host === undefined ? REDIRECT_HOST : 0) | (port === undefined ? REDIRECT_PORT : 0),
    before: `${statusLine(redirect.status)}${own}Location: ${scheme}://${urlText(redirect.host ?? '', source)}`,
    port: port === undefined || port === WELL_KNOWN[scheme] ? '' : `:${port}`,
    after: `\r\nContent-Length: 0\r\n${change.append.map((field) => fieldLine(field, source)).join('')}\r\n`,
  }
}

/** A direct response. Throws Failure('unsupported-feature'), located. */
export function respondReply(responded: Responded, source: Source): RedirectReply {
  const { contentType, body, response } = responded
  for (const name of response.drop) editableName(name, source)
  for (const field of response.append) fieldLine(field, source)
  if (contentType !== undefined) fieldLine({ name: 'Content-Type', value: contentType }, source)
  const before = respondedHead(responded)
  return { flags: REDIRECT_FIXED, cut: CUT_NONE, before, name: '', port: '', target: '', after: body }
}

/**
 * What the filters of a rule and of its backend come to for requests that one of its matches
 * decides. Throws Failure('unsupported-feature' | 'limit-exceeded'), located.
 */
export function changesOf(
  candidate: Candidate,
  filters: readonly Filter[],
  service: { namespace: string; name: string },
): Changes {
  const { source } = candidate.rule
  const answer = filters.find((filter) => filter.kind === 'redirect' || filter.kind === 'respond')
  if (answer?.kind === 'redirect') {
    // A host's place is kept by its service's name where a request names none.
    const reply = {
      ...redirectReply(answer, filters, candidate),
      name: `${service.name}.${service.namespace}`,
    }
    return { redirect: reply, request: null, response: null }
  }
  if (answer !== undefined) {
    const reply = respondReply({ ...answer, response: responseChange(filters) }, source)
    return { redirect: reply, request: null, response: null }
  }
  const { path, host, headers } = requestChange(filters, candidate.match)
  if (host === '') throw new Failure('unsupported-feature', `${at(source)}: a request needs a host`)
  const request = headEdit(cutOf(path, source), urlText(host ?? '', source), headers, source)
  const unread: Cut = { cut: CUT_NONE, target: '' }
  return { redirect: null, request, response: headEdit(unread, '', responseChange(filters), source) }
}
