/** The last response of a connection that ends behind it: its head says so (RFC 9112 9.6). */
import { applyEdits, responseEdits } from '../../../pipelines/policy/route-edits.ts'
import type { HeadEdit } from './ports.ts'

const CLOSE = { drop: ['connection'], append: [{ name: 'Connection', value: 'close' }] }

/** Behind the edits of a route. */
export function lastResponse(edit: HeadEdit | undefined): HeadEdit {
  return (head) => {
    const edited = edit ? edit(head) : head
    return applyEdits(edited, responseEdits(edited, CLOSE))
  }
}
