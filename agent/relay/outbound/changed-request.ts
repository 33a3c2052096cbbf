/** A request with its route's changes, as its endpoint reads it: that is what inbound rules judge. */
import { utf8 } from '../../../pipelines/bytes.ts'
import { changedPath, type RequestChange } from '../../../pipelines/policy/route-change.ts'
import { targetOf } from '../../../pipelines/policy/route-match.ts'
import type { Request } from '../../../pipelines/protocols/http1-request.ts'

const nameOf = (name: Uint8Array) => Buffer.from(name).toString('latin1').toLowerCase()

/** Reads as what requestEdits() of route-edits.ts makes of the request's head. */
export function changedRequest(request: Request, { path, host, headers }: RequestChange): Request {
  const fields = request.fields.filter(({ name }) => !headers.drop.includes(nameOf(name)))
  const at = fields.findIndex(({ name }) => nameOf(name) === 'host')
  if (host !== null && at >= 0) fields[at] = { name: utf8('Host'), value: utf8(host) }
  const named = host !== null && at < 0 ? [{ name: 'Host', value: host }] : []
  const appended = [...named, ...headers.append].map(({ name, value }) => ({
    name: utf8(name),
    value: utf8(value),
  }))
  return { ...request, target: changedTarget(request, path), fields: [...fields, ...appended] }
}

function changedTarget(request: Request, path: RequestChange['path']): Uint8Array {
  const { path: old, query } = targetOf(request)
  if (path === null || old === undefined) return request.target
  return utf8(`${changedPath(old, path)}${query === undefined ? '' : `?${query}`}`)
}
